"""What the shared store computes by itself, in Lua: each script is one step that happens wholly or not at all.

Messages and answers are MessagePack, because JSON in Lua keeps 14 digits of a number only. What stands in the store:

    {prefix}:epoch    `id` changes whenever the store may have forgotten something, `run` is the server's own identity,
                      `until` when a recovery ends at the latest (milliseconds; 0: there is none)
    {prefix}:hosts    host -> "term beat": which life of the host speaks for it, and when it was last heard
    {prefix}:awaited  hosts that have not told everything since the epoch began
    {prefix}:tight    counters that somebody was denied of, with the time until which this is worth knowing
    {prefix}:of:...   which keys a life of a host has fields in
    {prefix}:c:...    a counter: "slice/host" -> "term number settled held entitled", absolute; (term, number) grows
                      with every message of a host, and what is older than what stands there changes nothing
    {prefix}:r:...    a rate: its level at a time, from which it falls evenly
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

HOST_SECONDS: Final = 60
"""A host that was not heard for so long is taken for dead: what it had idle is free again."""

SLOT_SECONDS: Final = 10
"""The same for what is drawn on at the same time: its slots are free again."""

RECOVERY_SECONDS: Final = 2.0
"""How long a store that may have forgotten waits for the hosts that were known."""

OPENING_SECONDS: Final = 1.0
"""How long a store waits that nobody knew: longer than a host takes to notice it."""

KEEP_SECONDS: Final = 3600
"""How long a counter is kept after its window: for what is settled late."""

_OPENING = """
local message = cmsgpack.unpack(ARGV[1])
local epoch, host, term, number = message[1], message[2], message[3], message[4]
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
local prefix = string.sub(KEYS[1], 1, -7)

local function whole(n) return string.format('%.0f', n) end

local function answer(...) return cmsgpack.pack({...}) end

local function roster()
    local hosts, alive = {}, 0
    local all = redis.call('HGETALL', KEYS[2])
    for i = 1, #all, 2 do
        local life, beat = string.match(all[i + 1], '^(%d+) (%d+)$')
        hosts[all[i]] = {term = tonumber(life), beat = tonumber(beat)}
        if not string.find(all[i], '~', 1, true) then alive = alive + 1 end
    end
    return hosts, math.max(alive, 1)
end

-- Everybody who has to be waited for, should the store forget.
local function names(hosts)
    local found, listed = {}, {}
    for who, life in pairs(hosts) do
        if now - life.beat < DEAD and not string.find(who, '~', 1, true) then
            found[who] = true
        end
    end
    if tonumber(redis.call('HGET', KEYS[1], 'until')) > now then
        for _, who in ipairs(redis.call('SMEMBERS', KEYS[3])) do found[who] = who ~= '?' or nil end
    end
    for who in pairs(found) do table.insert(listed, who) end
    table.sort(listed)
    return listed
end

local function stands(key, name)
    local text = redis.call('HGET', key, name)
    if not text then return nil end
    local life, n, settled, held, entitled = string.match(text, '^(%d+) (%d+) (%d+) (%d+) (%d+)$')
    return {term = tonumber(life), number = tonumber(n), settled = tonumber(settled), held = tonumber(held),
            entitled = tonumber(entitled)}
end

local function write(key, name, settled, held, entitled)
    redis.call('HSET', key, name, whole(term) .. ' ' .. whole(number) .. ' ' .. whole(settled) .. ' ' .. whole(held)
        .. ' ' .. whole(entitled))
end

local function keep(key, first, start, ends)
    local seconds = math.floor(now / 1000)
    redis.call('EXPIREAT', key, whole(math.max(ends, seconds) + start - first + KEEP))
    redis.call('SADD', prefix .. ':of:' .. host .. ':' .. whole(term), key)
end

-- Whether this message may be heard: nil, or the word that says why not.
local function deaf(hosts)
    if redis.call('HGET', KEYS[1], 'id') ~= epoch then return 'epoch' end
    local mine = hosts[host]
    if not mine or mine.term < term then return 'unknown' end
    if mine.term > term then return 'superseded' end
    mine.beat = now
    redis.call('HSET', KEYS[2], host, whole(term) .. ' ' .. whole(now))
    return nil
end

-- What all slices that still count add up to; fields that nobody can count any more are removed on the way.
local function total(key, first, start, slots, hosts)
    local settled, entitled = 0, 0
    local span = start - first
    local oldest = math.min(first, math.floor(now / 1000) - span) - span - 60
    local all = redis.call('HGETALL', key)
    for i = 1, #all, 2 do
        local slice, who = string.match(all[i], '^(%d+)/(.+)$')
        slice = tonumber(slice)
        if slice < oldest and span > 0 then
            redis.call('HDEL', key, all[i])
        elseif slice >= first and (not slots or (hosts[who] and now - hosts[who].beat < SLOTS)) then
            local s, e = string.match(all[i + 1], '^%d+ %d+ (%d+) %d+ (%d+)$')
            settled, entitled = settled + tonumber(s), entitled + tonumber(e)
        end
    end
    return settled, entitled
end

local function level(key, limit)
    local stored = redis.call('HMGET', key, 'level', 'at')
    if not stored[1] then return 0 end
    return math.max(0, tonumber(stored[1]) - math.max(0, micros - tonumber(stored[2])) * limit / 60000000)
end
"""

_JOIN = """
local run, nonce, known = message[5], message[6], message[7]
local stored = redis.call('HMGET', KEYS[1], 'id', 'run')
local id = stored[1]
local hosts = roster()
if not id or stored[2] ~= run then
    -- emptied, restarted or taken over by another server: it may have forgotten what hosts were granted
    id = nonce
    redis.call('DEL', KEYS[3])
    local others = false
    for name in pairs(hosts) do table.insert(known, name) end
    for _, name in ipairs(known) do
        if not string.find(name, '~', 1, true) then
            redis.call('SADD', KEYS[3], name)
            others = others or name ~= host
        end
    end
    -- nobody is known: somebody may still be on the way, and who is told by no list ends no waiting
    if not others then redis.call('SADD', KEYS[3], '?') end
    redis.call('HSET', KEYS[1], 'id', id, 'run', run, 'until', whole(now + (others and message[8] or OPENING)))
end
local mine = hosts[host]
if term == 0 then
    term = now
    if mine then
        term = math.max(now, mine.term + 1)
        -- the life before is swept like a dead host, but not before this one has told what it knows
        redis.call('HSET', KEYS[2], host .. '~' .. whole(mine.term), whole(mine.term) .. ' ' .. whole(now + 600000))
    end
elseif mine and mine.term > term then
    return answer('superseded', micros)
end
redis.call('HSET', KEYS[2], host, whole(term) .. ' ' .. whole(now))
return answer('ok', micros, id, term)
"""

_ACQUIRE = """
local groups = message[5]
local hosts, alive = roster()
local refused = deaf(hosts)
if refused then return answer(refused, micros) end
local recovery = tonumber(redis.call('HGET', KEYS[1], 'until'))
if recovery > now and redis.call('SCARD', KEYS[3]) > 0 then return answer('recovering', micros) end
local WINDOW, RATE, SLOT = 0, 1, 2
local given = {}

local function room(total, limit, need, ahead)
    local left = limit - total - need
    if ahead > 0 and left > 4 * alive * need then
        return need + math.min(ahead, math.floor(left / (2 * alive)))
    end
    return need
end

-- What a want would leave behind; nothing is written before all wants of a group are found to fit.
local function plan(want)
    local key, kind, limit, first, start, ends, believed, need, ahead = unpack(want)
    local p = {key = KEYS[key], kind = kind, first = first, start = start, ends = ends}
    if kind == RATE then
        p.entitled = level(p.key, limit)
        p.settled = p.entitled
        p.fits = need <= limit - p.entitled
        p.wait = (p.entitled + need - limit) * 60 / limit
    else
        p.name = whole(start) .. '/' .. host
        p.mine = stands(p.key, p.name)
        if p.mine and p.mine.term < term then
            -- a life before knew of this counter and this one does not: what it had stays charged beside
            p.orphan, p.mine = p.mine, nil
        end
        local before = p.mine or {settled = 0, held = 0, entitled = 0}
        p.settled, p.entitled = total(p.key, first, start, kind == SLOT, hosts)
        believed = believed + (given[p.key .. p.name] or 0)
        if start >= first then p.entitled = p.entitled - before.entitled + believed end
        p.before, p.believed = before, believed
        p.fits = need <= limit - p.entitled  -- a sum could be beyond what a double holds exactly
    end
    if p.fits then p.granted = room(p.entitled, limit, need, ahead) end
    return p
end

local function grant(p)
    local entitled = 0
    if p.kind == RATE then
        redis.call('HSET', p.key, 'level', string.format('%.17g', p.entitled + p.granted), 'at', whole(micros))
        redis.call('EXPIRE', p.key, 120)
    else
        entitled = p.believed + p.granted
        local id = p.key .. p.name
        if p.orphan then
            local charged = p.orphan.settled + p.orphan.held
            write(p.key, p.name .. '~' .. whole(p.orphan.term), p.orphan.settled, 0, charged)
        end
        given[id] = (given[id] or 0) + p.granted
        -- counted as held at once, so that it is charged should the host die before it tells what became of it
        write(p.key, p.name, p.before.settled, math.min(p.before.held + p.granted, entitled), entitled)
        keep(p.key, p.first, p.start, p.ends)
    end
    return {p.granted, entitled, math.floor(p.settled), math.ceil(p.entitled + p.granted)}
end

local results = {}
for g, wants in ipairs(groups) do
    local plans, denied = {}, nil
    for i, want in ipairs(wants) do
        local p = plan(want)
        plans[i] = p
        local stale = p.mine and (p.mine.term > term or (p.mine.term == term and p.mine.number >= number
            and not given[p.key .. p.name]))
        if stale then return answer('late', micros) end
        if not p.fits then
            denied = {0, i, math.floor(p.settled), math.ceil(p.entitled), p.wait and math.ceil(p.wait * 1000) or 0}
            if p.kind ~= RATE then
                redis.call('ZADD', KEYS[4], now + 5000, p.key)
                redis.call('EXPIRE', KEYS[4], 60)
            end
            break
        end
    end
    if not denied then
        for i, p in ipairs(plans) do plans[i] = grant(p) end
    end
    results[g] = denied or {1, plans}
end
return answer('ok', micros, results, names(hosts))
"""

_PUSH = """
local states, credits, complete = message[5], message[6], message[7]
local hosts = roster()
local refused = deaf(hosts)
if refused then return answer(refused, micros) end

local function push(state)
    local key, slots, first, start, ends, settled, held, entitled = unpack(state)
    key = KEYS[key]
    local name = whole(start) .. '/' .. host
    local mine = stands(key, name)
    local same = mine and mine.term == term
    local late = mine and (mine.term > term or (same and mine.number >= number))
    if not late then
        if settled < 0 then
            settled, held = mine and mine.settled or 0, mine and mine.held or 0
        elseif same then
            settled = math.max(settled, mine.settled)
        end
        held = math.min(held, math.max(0, entitled - settled))
        write(key, name, settled, held, math.max(entitled, settled + held))
        keep(key, first, start, ends)
    end
    return {total(key, first, start, slots == 1, hosts)}
end

local totals = {}
for i, state in ipairs(states) do totals[i] = push(state) end

for _, credit in ipairs(credits) do
    local before = redis.call('HGET', KEYS[credit[1]], 'level')
    if before then
        redis.call('HSET', KEYS[credit[1]], 'level', string.format('%.17g', math.max(0, tonumber(before) - credit[2])))
    end
end

if complete then
    redis.call('SREM', KEYS[3], host)
    for name, life in pairs(hosts) do
        if string.sub(name, 1, #host + 1) == host .. '~' then
            life.beat = 0
            redis.call('HSET', KEYS[2], name, whole(life.term) .. ' 0')
        end
    end
end

-- A dead host's entitlements become what it had last said to have settled and held: a part at a time, by whoever is here.
local function sweep(who, life)
    local name, before = string.match(who, '^([^~]+)(~?)')
    local index = prefix .. ':of:' .. name .. ':' .. whole(life)
    local keys = redis.call('SPOP', index, 200)
    for _, key in ipairs(keys) do
        local all = redis.call('HGETALL', key)
        for i = 1, #all, 2 do
            local slice, owner = string.match(all[i], '^(%d+)/(.+)$')
            local t, n, settled, held = string.match(all[i + 1], '^(%d+) (%d+) (%d+) (%d+)')
            if owner == name and tonumber(t) == life then
                if before ~= '' then redis.call('HDEL', key, all[i]) end
                redis.call('HSET', key, slice .. '/' .. who, t .. ' ' .. n .. ' ' .. settled .. ' 0 '
                    .. whole(tonumber(settled) + tonumber(held)))
            end
        end
    end
    if #keys < 200 then
        redis.call('HDEL', KEYS[2], who)
        redis.call('SREM', KEYS[3], who)
    end
end

for who, life in pairs(hosts) do
    if now - life.beat >= DEAD then sweep(who, life.term) end
end

local index = prefix .. ':of:' .. host .. ':' .. whole(term)
for _, key in ipairs(redis.call('SRANDMEMBER', index, 20)) do
    if redis.call('EXISTS', key) == 0 then redis.call('SREM', index, key) end
end
redis.call('EXPIRE', index, 40 * 86400)
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now)
local tight = {}
for _, key in ipairs(redis.call('ZRANGE', KEYS[4], 0, 199)) do
    if redis.call('SISMEMBER', index, key) == 1 then table.insert(tight, key) end
end
return answer('ok', micros, totals, tight, names(hosts))
"""

_LEAVE = """
local refused = deaf((roster()))
if refused then return answer(refused, micros) end
redis.call('SREM', KEYS[3], host)
-- what it kept idle is swept at the next beat of anybody
redis.call('HSET', KEYS[2], host, whole(term) .. ' 0')
return answer('ok', micros)
"""

_NUMBERS = {
    "KEEP": str(KEEP_SECONDS),
    "SLOTS": str(SLOT_SECONDS * 1000),
    "DEAD": str(HOST_SECONDS * 1000),
    "OPENING": str(int(OPENING_SECONDS * 1000)),
}


@dataclass(frozen=True, slots=True)
class Script:
    """A script, and the digest that the store knows it by."""

    source: str
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest())


def _script(body: str) -> Script:
    constants = "".join(f"local {name} = {value}\n" for name, value in _NUMBERS.items())
    return Script(constants + _OPENING + body)


JOIN: Final = _script(_JOIN)
"""A host comes, or comes back: [.., run, nonce, known hosts, recovery in ms] -> epoch and term."""

ACQUIRE: Final = _script(_ACQUIRE)
"""Groups of wants, each all or none: [.., [[key, kind, limit, first, start, ends, believed, need, ahead]..]..]."""

PUSH: Final = _script(_PUSH)
"""What a host has, absolutely, and its beat: [.., states, credits, complete] -> totals, tight keys, hosts."""

LEAVE: Final = _script(_LEAVE)
"""A host goes for good."""
