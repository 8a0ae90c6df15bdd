"""What the Redis server does by itself: the last argument of each script is for how long the ledger is kept."""

#: Write the ledger if nobody else did; what is held, to try again with, if somebody did or if the time is too old.
_SWAP = """
local held = redis.call('GET', KEYS[1]) or ''
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if held ~= ARGV[1] or now - ARGV[3] > 500 then
    return {0, held, now}
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[4])
return {1, '', now}
"""

#: ``Ledger.reserve``, line for line; the arguments are the rules' numbers, the priority, the place and, for tests, the
#: time.
_RESERVE = """
local good, ledger = pcall(cjson.decode, redis.call('GET', KEYS[1]) or '{}')
if not good or type(ledger) ~= 'table' then ledger = {} end
local rules, sells, ticket = cjson.decode(ARGV[1]), ARGV[2] == 'sell', tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(ARGV[4]) or time[1] * 1000 + math.floor(time[2] / 1000)

-- advance, and look at the queue
local back = math.min(now - (ledger.seen or 0), 0)
ledger.seen = now
for _, name in ipairs({'paused_until', 'banned_until', 'last_sell', 'paced'}) do
    ledger[name] = (ledger[name] or 0) + back
end
local granted, waiters, ahead, alike, selling = {}, {}, 0, 0, 0
for _, at in ipairs(ledger.granted or {}) do
    if at + back > now - rules.span then granted[#granted + 1] = at + back end
end
for _, waiter in ipairs(ledger.waiters or {}) do
    local place, due = waiter[1], waiter[3] + back
    if due + rules.grace > now and place ~= ticket then
        waiters[#waiters + 1] = {place, waiter[2], due}
        if waiter[2] then selling = math.max(selling, due + rules.grace) end
        if waiter[2] == sells then
            alike = alike + 1
            if not ticket or place < ticket then ahead = ahead + 1 end
        end
    end
end

-- _due
local due, reason = ledger.paused_until, 'PAUSE'
local function wait_until(at, why)
    if at > due then due, reason = at, why end
end
local index, spans = #granted + ahead - rules.cap, 1
if index >= 0 then
    while index >= #granted do index, spans = index - rules.cap, spans + 1 end
    if index >= 0 then
        wait_until(granted[index + 1] + spans * rules.span, 'BUDGET')
    else
        wait_until(now + (spans - 1) * rules.span, 'BUDGET')
    end
end
local beyond = #granted + ahead - rules.free
if not sells then
    if beyond >= 0 then
        local start = math.max(now, ledger.paused_until) - rules.catch_up
        wait_until(math.max(ledger.paced, start) + math.min(beyond, ahead) * rules.spacing, 'BUDGET')
    end
    wait_until(selling, 'SELL')
    if #granted + ahead >= rules.rare then wait_until(ledger.last_sell + rules.linger, 'SELL') end
else
    ledger.last_sell = now
end

-- _grant or _enqueue
local wait, remaining = 0, 0
if due <= now then
    if #granted >= rules.free then
        ledger.paced = math.max(ledger.paced, now - rules.catch_up) + rules.spacing
        if sells then ledger.paced = math.min(ledger.paced, now + rules.patience) end
    end
    granted[#granted + 1] = now
    remaining, ticket = math.max(0, rules.cap - #granted), nil
else
    if ledger.paused_until > now then
        reason = 'PAUSE'
    else
        due = math.min(due, now + rules.patience)
    end
    wait = due - now
    if not ticket and alike < rules.most then
        ledger.places = (ledger.places or 0) + 1
        ticket = ledger.places
    end
    if ticket then waiters[#waiters + 1] = {ticket, sells, due} end
end

-- An empty table would be written as an object.
ledger.granted, ledger.waiters = #granted > 0 and granted or nil, #waiters > 0 and waiters or nil
local text = cjson.encode(ledger)
redis.call('SET', KEYS[1], text, 'PX', ARGV[5])
return {wait, reason, ticket or 0, remaining, text, now}
"""

SCRIPTS = {"swap": _SWAP, "reserve": _RESERVE}
