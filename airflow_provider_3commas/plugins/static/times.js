// Points in time and durations. The same as report/times.py; a test compares the two.

const ISO = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:Z|([+-])(\d\d):(\d\d))$/;
const END = 253402300800000;

export function milliseconds(value) {
  const found = typeof value === "string" ? ISO.exec(value) : null;
  if (!found) return null;
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map(Number);
  const [ahead, behind] = [Number(found[9] ?? 0), Number(found[10] ?? 0)];
  const wrong = year < 1 || hour > 23 || minute > 59 || second > 59 || ahead > 23 || behind > 59;
  if (wrong || month < 1 || month > 12 || day < 1 || day > new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate()) {
    return null;
  }
  const fraction = Math.floor(Number(`0.${found[7] ?? 0}`.padEnd(8, "0").slice(2)) / 1000);
  const offset = (ahead * 60 + behind) * 60000 * (found[8] === "-" ? -1 : 1);
  const at = new Date(0);
  at.setUTCFullYear(year, month - 1, day);
  const since1970 = at.getTime() + ((hour * 60 + minute) * 60 + second) * 1000 + fraction - offset;
  return since1970 >= 0 && since1970 < END ? since1970 : null;
}

export function secondsBetween(start, end) {
  const [begun, ended] = [milliseconds(start), milliseconds(end)];
  if (begun === null || ended === null || ended < begun) return null;
  return Math.floor((ended - begun + 50) / 100) / 10;
}

export function seconds(value) {
  return typeof value === "number" && value >= 0 && value < 1e10 ? tenths(value) / 10 : null;
}

export function tenths(value) {
  return Math.floor(value * 10 + 0.5);
}

export function moment(value) {
  const since1970 = milliseconds(value);
  return since1970 === null ? "?" : `${new Date(since1970).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

export function duration(value) {
  if (value === null) return "?";
  if (value < 10) return `${(tenths(value) / 10).toFixed(1)} s`.replace(".0 s", " s");
  const whole = Math.floor(value + 0.5);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return whole % 60 ? `${minutes} min ${whole % 60} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
}
