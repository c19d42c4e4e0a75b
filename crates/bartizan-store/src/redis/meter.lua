-- Is there room for a call, and what became of it? One call of a meter, whole or not at all.
--
-- KEYS  clock, deadlines, told, then the reservation, then a counter for each draw. All carry the
--       same hash tag, so that they are in one slot of a Cluster; a reservation that has run out
--       of time is closed in passing, whose keys are not named here and carry the tag as well.
-- ARGV  1 what to do, 2 the caller's clock (empty: this server's), 3 the epoch that the caller
--       knows (empty: none), 4 chance, 5 a length or a number, then 10 for each draw:
--       form, limit, length, burst, start, end, amount, name, measure, kind
--
-- Nothing is written before everything is decided; the first write is one that a full memory or a
-- replica refuses, so that a refused call has changed nothing.

local PASSING, BULK, MOST_UNTOLD = 8, 128, 4096
-- How long a settled reservation is known, and an expired one, in milliseconds.
local SETTLED, EXPIRED = 60000, 3600000
local KEEP_MS = 7 * 86400 * 1000

local does, known, chance = ARGV[1], ARGV[3], ARGV[4]
local prefix = string.sub(KEYS[1], 1, -6)
local epoch

-- The epoch is the memory of this store: it begins when there is none. A caller who knew another
-- one knows that counts were lost.
local function read_clock()
  local latest
  local stored = redis.call('GET', KEYS[1])
  if stored then
    local instant, name, since = string.match(stored, '^(%d+) (%x+) (%d+)$')
    latest, epoch, lost = tonumber(instant), name, tonumber(since)
  end
  local now = tonumber(ARGV[2])
  if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000000 + time[2]
  end
  at = math.max(latest or 0, now)
  -- Set back, it will be set right: what expires by it must not be gone then.
  behind = at - now
  if known ~= '' and known ~= epoch then lost = at end
  epoch = epoch or chance
end

-- Reservations: { state, deadline, take… }, a take
-- { key, amount, mark, name, measure, kind, form, limit }.
-- States: h held, d departed, c charged, g given back; { 's', nonce, answer… } once it is settled.
local reservations, rewritten, closed, told = {}, {}, {}, {}

local function reservation(key)
  if reservations[key] == nil then
    local raw = redis.call('GET', key)
    reservations[key] = raw and cjson.decode(raw) or false
  end
  return reservations[key]
end

local function is_open(record) return record[1] == 'h' or record[1] == 'd' end

local function rewrite(key, record)
  reservations[key], rewritten[key] = record, true
end

-- The instant that a charge belongs to: of a period its start, where it rolls when it was reserved.
local function began(form, mark)
  if form == 'b' then return mark end
  if form == 'w' then return string.match(mark, '(%d+)$') end
  return text(at)
end

-- Charges what was really used for one take, and says so if somebody must know: a charge to a
-- budget that changed something, or an overdraft.
local function charge(one, state, actual, shape)
  local key, amount, mark, kind, form = one[1], parse(one[2]), one[3], one[6], one[7]
  local open = state == 'h' or state == 'd'
  local stands = state == 'g' and 0 or amount
  local it = counter(prefix .. 'c:' .. key, form)
  if not it.live then
    -- The counter is forgotten: what goes beyond the reservation counts all the same.
    if not shape or not less(stands, actual) then
      -- What a rolling budget spent has left its window: it was spent all the same.
      if kind ~= 'budget' or not open or (amount == 0 and actual == 0) then return nil end
      return { key, one[4], one[5], kind, one[8], one[2], text(actual), '0', '0', '1', '0', began(form, mark) }
    end
    begin(it, shape)
    it.live = true
  end
  advance(it)
  local before = spent(it, mark)
  settle(it, mark, stands, actual, open)
  local after = spent(it, mark)
  if open and form == 'w' then before = sub(before, stands) end
  local charged
  if open then charged = amount ~= 0 or actual ~= 0
  else charged = less(before, after) or less(after, before) end
  local beyond = less(stands, actual) and overdrawn(it, mark)
  if not (kind == 'budget' and charged) and not beyond then return nil end
  -- Of a GCRA these are parts; how many make a unit, and what of them is this reservation.
  local unit, own = '1', '0'
  if form == 'g' then
    unit = text(it.N)
    if open then own = text(stands) end
  end
  return { key, one[4], one[5], kind, text(it.L), one[2], text(actual), text(before), text(after), unit, own, began(form, mark) }
end

local function run_out(id)
  local key = prefix .. 'r:' .. id
  closed[#closed + 1] = id
  local record = reservation(key)
  if not record or not is_open(record) then return end
  local state, departed = record[1], record[1] == 'd'
  local news = { id, departed and '1' or '0' }
  for place = 3, #record do
    local one = record[place]
    news[#news + 1] = charge(one, state, departed and parse(one[2]) or 0)
  end
  record[1] = departed and 'c' or 'g'
  rewrite(key, record)
  told[#told + 1] = cjson.encode(news)
end

local function sweep(many)
  local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', text(at), 'LIMIT', 0, many)
  for _, id in ipairs(due) do run_out(id) end
  return #due
end

local function lifetime(record)
  local life = EXPIRED
  if record[1] == 's' then
    life = SETTLED
  elseif is_open(record) then
    life = math.ceil(math.max(0, tonumber(record[2]) - at) / 1000) + KEEP_MS
  end
  return text(math.min(life + math.ceil(behind / 1000), 4e12))
end

local ticked = false
local function write_clock()
  if not ticked then redis.call('SET', KEYS[1], text(at) .. ' ' .. epoch .. ' ' .. text(lost)) end
  ticked = true
end

local function write()
  write_clock()
  for _, it in pairs(counters) do
    if it.live and it.dirty then save(it) end
  end
  for key in pairs(rewritten) do
    local record = reservations[key]
    redis.call('SET', key, cjson.encode(record), 'PX', lifetime(record))
  end
  if #closed > 0 then redis.call('ZREM', KEYS[2], unpack(closed)) end
  if #told > 0 then
    redis.call('RPUSH', KEYS[3], unpack(told))
    redis.call('LTRIM', KEYS[3], -MOST_UNTOLD, -1)
    redis.call('PEXPIRE', KEYS[3], text(KEEP_MS))
  end
end

local function answer(what, more)
  local all = { what, text(at), epoch, text(lost) }
  for _, one in ipairs(more or {}) do all[#all + 1] = one end
  return all
end

-- The draws, and whether the calendar of each budget is the one of this instant.
local function read_draws()
  local draws, fresh = {}, true
  for place = 6, #ARGV, 10 do
    local form = ARGV[place]
    local it = counter(KEYS[#draws + 5], form)
    local shape = { L = parse(ARGV[place + 1]), N = tonumber(ARGV[place + 2]) }
    if form == 'g' then shape.B = parse(ARGV[place + 3]) end
    if form == 'b' then
      shape.s, shape.e = tonumber(ARGV[place + 4]), tonumber(ARGV[place + 5])
      local asks = not it.live or (at >= it.e and (does == 'reserve' or does == 'spend'))
      fresh = fresh and not (asks and (at < shape.s or at >= shape.e))
    end
    draws[#draws + 1] = { it = it, shape = shape, amount = parse(ARGV[place + 6]), place = place }
  end
  return draws, fresh
end

local function described(draws, asked)
  local all = {}
  for _, draw in ipairs(draws) do
    fit(draw.it, draw.shape)
    advance(draw.it)
    all[#all + 1] = describe(draw.it, asked and draw.amount or 0)
  end
  return all
end

-- What to answer where the draws cannot all be taken; nothing where they can.
local function refused(draws)
  local free, wait = true, 0
  for _, draw in ipairs(draws) do
    fit(draw.it, draw.shape)
    advance(draw.it)
    free = fits(draw.it, draw.amount) and free
    wait = math.max(wait, unknown(draw.it))
  end
  if wait > 0 then return answer('lost', { text(wait) }) end
  if not free then return answer('short', described(draws, true)) end
end

local function reserve()
  sweep(PASSING)
  local key = KEYS[4]
  local record = reservation(key)
  if record and not is_open(record) then return answer('closed') end
  local draws, fresh = read_draws()
  if not fresh then return answer('period'), true end
  if record then return answer('taken', described(draws)) end
  local short = refused(draws)
  if short then return short end
  record = { 'h', text(at + tonumber(ARGV[5])) }
  for number, draw in ipairs(draws) do
    local mark, place = take(draw.it, draw.amount), draw.place
    local name = string.sub(KEYS[number + 4], #prefix + 3)
    record[#record + 1] =
      { name, ARGV[place + 6], mark, ARGV[place + 7], ARGV[place + 8], ARGV[place + 9],
        draw.it.form, ARGV[place + 1] }
  end
  rewrite(key, record)
  write_clock()
  redis.call('ZADD', KEYS[2], record[2], string.sub(key, #prefix + 3))
  return answer('taken', described(draws))
end

-- For good: nothing is remembered of it but what the counters say.
local function spend()
  sweep(PASSING)
  local draws, fresh = read_draws()
  if not fresh then return answer('period'), true end
  local short = refused(draws)
  if short then return short end
  for _, draw in ipairs(draws) do
    settle(draw.it, take(draw.it, draw.amount), draw.amount, draw.amount, true)
  end
  return answer('taken', described(draws))
end

local function depart()
  sweep(PASSING)
  local record = reservation(KEYS[4])
  if record and record[1] == 'd' then return answer('departed') end
  if not record or record[1] ~= 'h' or at >= tonumber(record[2]) then return answer('closed') end
  record[1] = 'd'
  rewrite(KEYS[4], record)
  return answer('departed')
end

-- The call still lives: its deadline moves away, never nearer.
local function extend()
  sweep(PASSING)
  local key = KEYS[4]
  local record = reservation(key)
  if not record or not is_open(record) or at >= tonumber(record[2]) then return answer('closed') end
  record[2] = text(math.max(tonumber(record[2]), at + tonumber(ARGV[5])))
  rewrite(key, record)
  write_clock()
  redis.call('ZADD', KEYS[2], record[2], string.sub(key, #prefix + 3))
  return answer('extended')
end

local function close()
  local record = reservation(KEYS[4])
  if not record then
    sweep(PASSING)
    -- A reservation whose answer was lost may still be on its way: it must find the door closed.
    if does == 'withdraw' then rewrite(KEYS[4], { 's', ARGV[5], 'unknown' }) end
    return answer('unknown')
  end
  if record[1] == 's' then
    -- The same call again, whose answer was lost on its way, is answered as it was.
    local same = record[2] == ARGV[5]
    sweep(PASSING)
    return answer(same and record[3] or 'repeated', same and { unpack(record, 4) } or {})
  end
  local draws, fresh = read_draws()
  if not fresh then return answer('period'), true end
  local state, order = record[1], is_open(record) and 'first' or 'late'
  local news = { 's', ARGV[5], order }
  for place = 3, #record do
    local one, said = record[place], nil
    for _, draw in ipairs(draws) do
      if draw.it.key == prefix .. 'c:' .. one[1] then said = draw end
    end
    -- What nobody speaks of stays as it stands.
    local actual = state == 'g' and 0 or parse(one[2])
    if said then actual = said.amount end
    local told_of = charge(one, state, actual, said and said.shape)
    if told_of then news[#news + 1] = cjson.encode(told_of) end
  end
  rewrite(KEYS[4], news)
  if order == 'first' then closed[#closed + 1] = string.sub(KEYS[4], #prefix + 3) end
  sweep(PASSING)
  return answer(order, { unpack(news, 4) })
end

-- The deadlines that have passed, and what closed since somebody asked last.
local function expire()
  local due = sweep(BULK)
  local news = redis.call('LRANGE', KEYS[3], 0, -1)
  for _, one in ipairs(told) do news[#news + 1] = one end
  told = {}
  write_clock()
  redis.call('DEL', KEYS[3])
  return answer(due == BULK and 'more' or 'done', news)
end

read_clock()
local calls = {
  reserve = reserve, spend = spend, depart = depart, extend = extend, settle = close, withdraw = close, expire = expire,
}
local said, untouched = calls[does]()
if not untouched then write() end
return said
