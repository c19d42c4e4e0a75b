-- How is a number kept exactly that a double cannot hold?
--
-- Lua's numbers are doubles: whole up to 2^53. Below 9e15 a number is one of them; from there on it
-- is a table of limbs of seven digits, the lowest first. Every function takes both and answers in
-- the form that fits, so that equal numbers have equal forms.

local LIMB, WIDE = 10000000, 9000000000000000
-- Integers are written several times faster than doubles, where they have 64 bits.
local WHOLE = string.format('%d', WIDE) == '9000000000000000' and '%d' or '%.0f'

local function limbs(a)
  if type(a) == 'table' then return a end
  local w = {}
  while a > 0 do
    local low = a % LIMB
    w[#w + 1] = low
    a = (a - low) / LIMB
  end
  return w
end

local function narrow(w)
  while w[#w] == 0 do w[#w] = nil end
  if #w > 3 then return w end
  local a = (w[1] or 0) + (w[2] or 0) * LIMB + (w[3] or 0) * LIMB * LIMB
  if a < WIDE then return a end
  return w
end

local function parse(digits)
  if #digits <= 16 then
    local a = tonumber(digits)
    if a < WIDE then return a end
  end
  local w = {}
  for last = #digits, 1, -7 do
    w[#w + 1] = tonumber(string.sub(digits, math.max(1, last - 6), last))
  end
  return narrow(w)
end

local function text(a)
  if type(a) == 'number' then return string.format(WHOLE, a) end
  local digits = { string.format('%.0f', a[#a]) }
  for place = #a - 1, 1, -1 do digits[#digits + 1] = string.format('%07.0f', a[place]) end
  return table.concat(digits)
end

local function less(a, b)
  local wide_a, wide_b = type(a) == 'table', type(b) == 'table'
  if not (wide_a and wide_b) then
    if wide_a == wide_b then return a < b end
    return wide_b
  end
  if #a ~= #b then return #a < #b end
  for place = #a, 1, -1 do
    if a[place] ~= b[place] then return a[place] < b[place] end
  end
  return false
end

local function least(a, b) if less(b, a) then return b end return a end

local function add(a, b)
  if type(a) == 'number' and type(b) == 'number' and a + b < WIDE then return a + b end
  local x, y, w, carry = limbs(a), limbs(b), {}, 0
  for place = 1, math.max(#x, #y) do
    local sum = (x[place] or 0) + (y[place] or 0) + carry
    carry = sum >= LIMB and 1 or 0
    w[place] = sum - carry * LIMB
  end
  if carry > 0 then w[#w + 1] = carry end
  return narrow(w)
end

-- a - b, and 0 where that is less.
local function sub(a, b)
  if not less(b, a) then return 0 end
  if type(a) == 'number' then return a - b end
  local x, y, w, borrow = limbs(a), limbs(b), {}, 0
  for place = 1, #x do
    local rest = x[place] - (y[place] or 0) - borrow
    borrow = rest < 0 and 1 or 0
    w[place] = rest + borrow * LIMB
  end
  return narrow(w)
end

local function times(a, b)
  if type(a) == 'number' and type(b) == 'number' and a * b < WIDE then return a * b end
  local x, y, w = limbs(a), limbs(b), {}
  for i = 1, #x do
    local carry = 0
    for j = 1, #y do
      local sum = (w[i + j - 1] or 0) + x[i] * y[j] + carry
      local low = sum % LIMB
      w[i + j - 1], carry = low, (sum - low) / LIMB
    end
    w[i + #y] = carry
  end
  return narrow(w)
end

-- Near enough, for how long a key is kept.
local function about(a)
  if type(a) == 'number' then return a end
  local sum = 0
  for place = #a, 1, -1 do sum = sum * LIMB + a[place] end
  return sum
end
