// Money as exact decimals. The same as report/exact.py; a test compares the two.
// An amount is {digits: BigInt, places: number}, which stands for digits / 10 ** places; null is unknown.

const NUMBER = /^(-?)([0-9]{1,60})(?:\.([0-9]{1,100}))?(?:[eE]([+-]?[0-9]{1,2}))?$/;

export const MINUS = "\u2212";
export const ZERO = { digits: 0n, places: 0 };

export function of(number) {
  return { digits: BigInt(number), places: 0 };
}

export function read(value) {
  if (typeof value === "string") {
    const found = NUMBER.exec(value);
    if (!found) return null;
    const [, sign, whole, fraction = "", exponent = "0"] = found;
    const digits = BigInt(sign + whole + fraction);
    const places = fraction.length - Number(exponent);
    return sane(places < 0 ? { digits: digits * 10n ** BigInt(-places), places: 0 } : { digits, places });
  }
  return Number.isSafeInteger(value) ? of(value) : null;
}

// Amounts beyond these are garbage, and would fill the page.
function sane(amount) {
  if (amount.digits === 0n) return ZERO;
  const size = amount.digits < 0n ? -amount.digits : amount.digits;
  return size < 10n ** BigInt(40 + amount.places) && amount.places <= 100 ? amount : null;
}

function aligned(one, other) {
  const places = Math.max(one.places, other.places);
  return [widened(one, places), widened(other, places), places];
}

function widened(amount, places) {
  return amount.digits * 10n ** BigInt(places - amount.places);
}

export function compare(one, other) {
  const [a, b] = aligned(one, other);
  return a < b ? -1 : a > b ? 1 : 0;
}

export function most(amounts) {
  return amounts.reduce((best, amount) => (best === null || compare(amount, best) > 0 ? amount : best), null);
}

// The sum of what is known.
export function add(amounts) {
  return amounts.reduce((sum, amount) => {
    if (amount === null) return sum;
    const [a, b, places] = aligned(sum, amount);
    return { digits: a + b, places };
  }, ZERO);
}

// The sum, if all are known.
export function total(amounts) {
  return amounts.includes(null) ? null : add(amounts);
}

export function subtract(minuend, subtrahend) {
  if (minuend === null || subtrahend === null) return null;
  return add([minuend, { digits: -subtrahend.digits, places: subtrahend.places }]);
}

export function multiply(one, other) {
  return { digits: one.digits * other.digits, places: one.places + other.places };
}

// Division, rounded half to even.
function divided(numerator, denominator) {
  const negative = numerator < 0n !== denominator < 0n;
  const [n, d] = [numerator < 0n ? -numerator : numerator, denominator < 0n ? -denominator : denominator];
  let quotient = n / d;
  const twice = (n % d) * 2n;
  if (twice > d || (twice === d && quotient % 2n === 1n)) quotient += 1n;
  return negative ? -quotient : quotient;
}

export function scale(amount, numerator, denominator, places) {
  if (amount === null || numerator === null || denominator === null || denominator.digits === 0n) return null;
  const top = amount.digits * numerator.digits * 10n ** BigInt(denominator.places + places);
  const bottom = denominator.digits * 10n ** BigInt(amount.places + numerator.places);
  return sane({ digits: divided(top, bottom), places });
}

function text(digits, places) {
  const padded = digits.toString().padStart(places + 1, "0");
  const whole = padded.slice(0, padded.length - places);
  return places ? [whole, padded.slice(padded.length - places)] : [whole, ""];
}

// For machines: no exponent, no zeros that say nothing.
export function plain(amount) {
  if (amount === null) return null;
  const negative = amount.digits < 0n;
  const [whole, fraction] = text(negative ? -amount.digits : amount.digits, amount.places);
  const rest = fraction.replace(/0+$/, "");
  const written = rest ? `${whole}.${rest}` : whole;
  return negative ? `-${written}` : written;
}

// For people: a fixed number of digits after the point.
export function grouped(amount, places) {
  if (amount === null) return "?";
  const size = amount.digits < 0n ? -amount.digits : amount.digits;
  const rounded =
    places >= amount.places
      ? size * 10n ** BigInt(places - amount.places)
      : divided(size, 10n ** BigInt(amount.places - places));
  const [whole, fraction] = text(rounded, places);
  const written = whole.replace(/\B(?=(\d{3})+$)/g, ",") + (places ? `.${fraction}` : "");
  return amount.digits < 0n && rounded !== 0n ? MINUS + written : written;
}

// For people: any size, eight places, or three digits if it is smaller than that.
export function short(amount) {
  if (amount === null) return "?";
  const adjusted = amount.digits.toString().replace("-", "").length - amount.places - 1;
  const written = grouped(amount, amount.digits !== 0n && adjusted < -8 ? 2 - adjusted : 8);
  return written.replace(/0+$/, "").replace(/\.$/, "");
}

export function btc(amount) {
  return `${grouped(amount, 8)} BTC`;
}

export function usd(amount) {
  return `${grouped(amount, 2)} USD`;
}

export function signed(written) {
  return written.startsWith(MINUS) || written.startsWith("?") ? written : `+${written}`;
}
