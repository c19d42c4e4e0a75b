-- What does one counter hold, and is there room in it?
--
-- The rules of `bartizan_core::limit`, counter by counter; the suite of the testkit compares the
-- two. A counter is one hash. Everything is worked out in these tables and written at the end.
--
--   w  sliding window      L limit, N length, t total, h first entry, e next entry, c how many
--                          entries; each entry in a field of its own: `first last amount`
--   g  cell rate (GCRA)    L limit, N length, B burst, a at, s since, i added, o gone
--   b  calendar budget     L limit, s start, e end, t settled, v reserved, p periods that are over
--   c  concurrency         L limit, t held
--
-- Instants and lengths are in microseconds.

local FIELDS = {
  w = { 'L', 'N', 't', 'h', 'e', 'c' },
  g = { 'L', 'N', 'B', 'a', 's', 'i', 'o' },
  b = { 'L', 's', 'e', 't', 'v', 'p' },
  c = { 'L', 't' },
}
local EXACT, PARTS, MOST_ENTRIES, MOST_PAST = 128, 64, 256, 16
local MOST = parse('18446744073709551615')

-- Set by meter.lua: the instant, when counts were lost (0: never), and how far behind that instant the
-- clock is by which Redis lets keys expire.
local at, lost, behind = 0, 0, 0
local counters = {}

local function capped(a) return least(a, MOST) end

local function read_past(line)
  local past = {}
  for start, ending, settled, reserved in string.gmatch(line, '(%d+) (%d+) (%d+) (%d+);') do
    past[#past + 1] = { s = parse(start), e = parse(ending), t = parse(settled), v = parse(reserved) }
  end
  return past
end

local function write_past(past)
  local line = ''
  for _, one in ipairs(past) do
    line = line .. text(one.s) .. ' ' .. text(one.e) .. ' ' .. text(one.t) .. ' ' .. text(one.v) .. ';'
  end
  return line
end

-- The counter of a key. `live`: it counts something, and will be written.
local function counter(key, form)
  local it = counters[key]
  if it then return it end
  local raw = redis.call('HMGET', key, unpack(FIELDS[form]))
  it = { key = key, form = form, kept = raw[1] and true, live = raw[1] and true }
  if it.kept then
    for place, field in ipairs(FIELDS[form]) do
      if field ~= 'p' then it[field] = parse(raw[place]) end
    end
    if form == 'b' then it.p = read_past(raw[6]) end
  end
  it.entries, it.changed, it.dropped = {}, {}, {}
  counters[key] = it
  return it
end

-- A fresh counter of that shape.
local function begin(it, shape)
  it.L, it.N, it.B, it.t = shape.L, shape.N, shape.B, 0
  if it.form == 'w' then it.h, it.e, it.c = 1, 1, 0 end
  if it.form == 'g' then it.a, it.s, it.i, it.o = 0, 0, 0, 0 end
  if it.form == 'b' then it.s, it.e, it.v, it.p = shape.s, shape.e, 0, {} end
end

-- Takes over the rule as it is now: limits may have been reloaded, and a period may be over.
local function fit(it, shape)
  if not it.live then return begin(it, shape) end
  if less(it.L, shape.L) or less(shape.L, it.L) or it.B ~= shape.B then
    it.L, it.B, it.dirty = shape.L, shape.B, true
  end
  if it.form ~= 'b' or at < it.e then return end
  local past = {}
  for _, one in ipairs(it.p) do
    if one.v ~= 0 then past[#past + 1] = one end
  end
  if it.v ~= 0 then past[#past + 1] = { s = it.s, e = it.e, t = it.t, v = it.v } end
  if #past > MOST_PAST then table.remove(past, 1) end
  it.p, it.s, it.e, it.t, it.v, it.dirty = past, shape.s, shape.e, 0, 0, true
end

local function entry(it, place)
  local one = it.entries[place]
  if one == nil then
    local raw = it.kept and redis.call('HGET', it.key, place)
    one = false
    if raw then
      local first, last, amount = string.match(raw, '^(%d+) (%d+) (%d+)$')
      one = { first = tonumber(first), last = tonumber(last), amount = parse(amount) }
    end
    it.entries[place] = one
  end
  return one
end

local function put(it, place, one)
  it.entries[place], it.changed[place], it.dropped[place], it.dirty = one, one, nil, true
end

local function drop(it, place)
  it.entries[place], it.changed[place], it.dropped[place] = false, nil, true
  it.c, it.dirty = it.c - 1, true
end

local function backlog(it) return sub(it.i, it.o) end
local function capacity(it) return times(add(it.B, 1), it.N) end

-- An empty queue starts anew; places in the old one mean nothing any more.
local function rest(it)
  if not less(it.o, it.i) then it.i, it.o = 0, 0 end
end

-- Brings it to the present: what has left the window or drained is not counted any more.
local function advance(it)
  if it.form == 'w' then
    while it.h < it.e do
      local one = entry(it, it.h)
      if one then
        if one.last + it.N > at then return end
        it.t = sub(it.t, one.amount)
        drop(it, it.h)
      end
      it.h, it.dirty = it.h + 1, true
    end
  elseif it.form == 'g' then
    local drained = times(math.max(0, at - it.a), it.L)
    it.a = math.max(it.a, at)
    it.o = least(add(it.o, drained), it.i)
    rest(it)
    it.dirty = true
  end
end

-- Counts were lost, and for as long as they could matter nobody knows how much room there is: how much
-- longer that is, in microseconds.
local function unknown(it)
  if lost == 0 or it.form == 'c' then return 0 end
  if it.form == 'b' then return it.s <= lost and math.max(1, it.e - at) or 0 end
  return math.max(0, lost + it.N - at)
end

local function fits(it, amount)
  if it.form == 'g' then
    local room, cost = capacity(it), times(amount, it.N)
    return it.L ~= 0 and not less(room, cost) and not less(room, add(backlog(it), cost))
  end
  local held = it.t
  if it.form == 'b' then held = add(held, it.v) end
  return not less(it.L, add(held, amount))
end

local function width(it)
  if less(EXACT, it.L) then return it.N / PARTS end
  return 1
end

local function count(it, amount)
  if it.form == 'g' then
    if it.i == 0 then it.s = it.a end
    it.i = add(it.i, times(amount, it.N))
    return text(it.s) .. ' ' .. text(it.i)
  end
  if amount == 0 then return '0 ' .. text(at) end -- in no entry, but at an instant
  it.t = capped(add(it.t, amount))
  local back = it.h < it.e and entry(it, it.e - 1)
  if back and (it.c >= MOST_ENTRIES or at - back.first < width(it)) then
    put(it, it.e - 1, { first = back.first, last = at, amount = capped(add(back.amount, amount)) })
  else
    put(it, it.e, { first = at, last = at, amount = amount })
    it.e, it.c = it.e + 1, it.c + 1
  end
  return text(it.e - 1) .. ' ' .. text(it.entries[it.e - 1].first)
end

-- Takes an amount for which there is room; the answer finds it again.
local function take(it, amount)
  it.live, it.dirty = true, true
  if it.form == 'b' then
    it.v = capped(add(it.v, amount))
    return text(it.s)
  elseif it.form == 'c' then
    it.t = capped(add(it.t, amount))
    return '-'
  end
  return count(it, amount)
end

-- Gives back what was counted at a mark, as far as it has not left the window or drained.
local function reduce(it, mark, amount)
  local first, second = string.match(mark, '^(%d+) (%d+)$')
  if amount == 0 or not first then return end
  if it.form == 'g' then
    if parse(first) ~= it.s then return end
    local left = sub(parse(second), it.o)
    it.o = least(add(it.o, least(times(amount, it.N), left)), it.i)
    return
  end
  local place = tonumber(first)
  local one = place >= it.h and place < it.e and entry(it, place)
  if not one or one.first ~= tonumber(second) then return end
  local back = least(amount, one.amount)
  it.t = sub(it.t, back)
  local left = sub(one.amount, back)
  if left ~= 0 then return put(it, place, { first = one.first, last = one.last, amount = left }) end
  drop(it, place)
  while it.e > it.h and not entry(it, it.e - 1) do it.e = it.e - 1 end
end

local function period(it, start)
  if it.s == start then return it end
  for _, one in ipairs(it.p) do
    if one.s == start then return one end
  end
end

-- What was taken at `mark` was really `actual`. `open`: it was reserved until now; otherwise it
-- stands as `taken` since it expired.
local function settle(it, mark, taken, actual, open)
  it.dirty = true
  if it.form == 'c' then
    if open then it.t = sub(it.t, taken) end
  elseif it.form == 'b' then
    local ledger = period(it, tonumber(mark))
    if not ledger then return end
    if open then
      ledger.v, ledger.t = sub(ledger.v, taken), capped(add(ledger.t, actual))
    elseif ledger == it and at < it.e then
      it.t = capped(add(sub(it.t, taken), actual))
    end
  else
    reduce(it, mark, sub(taken, actual))
    if less(taken, actual) then count(it, sub(actual, taken)) end
    if it.form == 'g' then rest(it) end
  end
end

-- What stands against the limit for good; of a GCRA in parts, `N` to the unit.
local function spent(it, mark)
  if it.form == 'g' then return backlog(it) end
  if it.form ~= 'b' then return it.t end
  local ledger = period(it, tonumber(mark))
  return ledger and ledger.t or 0
end

local function overdrawn(it, mark)
  if it.form == 'g' then return less(capacity(it), backlog(it)) end
  return less(it.L, spent(it, mark))
end

local function window_text(it, amount)
  -- As many entries as must leave to make room; what follows is told in one.
  local over = less(it.L, amount) and 0 or sub(add(it.t, amount), it.L)
  local shown, sum, place = {}, 0, it.h
  while place < it.e do
    local one = entry(it, place)
    if one then
      sum = add(sum, one.amount)
      shown[#shown + 1] = '[' .. text(one.first) .. ',' .. text(one.last) .. ',' .. text(one.amount) .. ']'
      if not less(sum, over) then break end
    end
    place = place + 1
  end
  local left = sub(it.t, sum)
  if left ~= 0 then
    local back = entry(it, it.e - 1)
    shown[#shown + 1] = '[' .. text(back.first) .. ',' .. text(back.last) .. ',' .. text(left) .. ']'
  end
  local secs = math.floor(it.N / 1000000)
  return '{"Window":{"limit":' .. text(it.L) .. ',"length":{"secs":' .. text(secs) .. ',"nanos":'
    .. text((it.N - secs * 1000000) * 1000) .. '},"latest":' .. text(at) .. ',"total":' .. text(it.t)
    .. ',"entries":[' .. table.concat(shown, ',') .. ']}}'
end

-- How it stands, as the other stores write a counter: what it means is worked out there.
local function describe(it, amount)
  if it.form == 'w' then return window_text(it, amount) end
  if it.form == 'g' then
    return '{"Gcra":{"limit":' .. text(it.L) .. ',"length":' .. text(it.N) .. ',"burst":' .. text(it.B)
      .. ',"at":' .. text(it.a) .. ',"since":' .. text(it.s) .. ',"added":"' .. text(it.i)
      .. '","gone":"' .. text(it.o) .. '"}}'
  end
  if it.form == 'c' then
    return '{"Concurrency":{"limit":' .. text(it.L) .. ',"held":' .. text(it.t) .. '}}'
  end
  return '{"Budget":{"limit":' .. text(it.L) .. ',"current":{"start":' .. text(it.s) .. ',"end":'
    .. text(it.e) .. ',"settled":' .. text(it.t) .. ',"reserved":' .. text(it.v) .. '},"past":[]}}'
end

-- For how long it may matter, in microseconds; nothing once it says the same as a fresh one.
local KEEP = 7 * 86400 * 1000000
local function matters(it)
  if it.form == 'w' then
    if it.c == 0 then return nil end
    return entry(it, it.e - 1).last + it.N - at
  elseif it.form == 'g' then
    if not less(it.o, it.i) then return nil end
    return about(backlog(it)) / math.max(1, about(it.L))
  elseif it.form == 'c' then
    return it.t ~= 0 and KEEP or nil
  end
  local open = it.v ~= 0
  for _, one in ipairs(it.p) do open = open or one.v ~= 0 end
  if open then return math.max(0, it.e - at) + KEEP end
  return it.t ~= 0 and at < it.e and it.e - at or nil
end

local function save(it)
  local long = matters(it)
  if not long then
    if it.kept then redis.call('DEL', it.key) end
    return
  end
  local fields = {}
  for _, field in ipairs(FIELDS[it.form]) do
    fields[#fields + 1] = field
    fields[#fields + 1] = field == 'p' and write_past(it.p) or text(it[field])
  end
  for place, one in pairs(it.changed) do
    fields[#fields + 1] = text(place)
    fields[#fields + 1] = text(one.first) .. ' ' .. text(one.last) .. ' ' .. text(one.amount)
  end
  redis.call('HSET', it.key, unpack(fields))
  local gone = {}
  for place in pairs(it.dropped) do gone[#gone + 1] = text(place) end
  if it.kept and #gone > 0 then redis.call('HDEL', it.key, unpack(gone)) end
  local life = math.ceil((long + behind) / 1000) + 1000
  redis.call('PEXPIRE', it.key, text(math.min(life, 4e12)))
end
