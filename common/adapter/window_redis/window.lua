#!lua name=adit_window_1
-- One batch of shares into the window, at most once.
--
-- KEYS  1 stream of batches            2 this lease's records (a sorted set read by its bytes)
--       3 lowest sequence by lease, and under BELOW the lowest lease that is not over
--       4 candidates by block hash     5 totals
-- ARGV  1 lease   2 sequence   3 lowest sequence not yet answered   (8 bytes each, big-endian)
--       4 the packed batch, "" where no share counts   5 verdicts   6 and 7 accepted, rejected
--       then for each candidate: block hash, its share's index ("" where not credited), record
--
-- A record is a member of the sorted set: sequence, 1, length of the entry's id, id, verdicts. All
-- scores are 0, so the set is ordered by bytes, and by sequence first. Nothing here is ever read as
-- a number but single bytes: Lua's numbers are doubles.
--
-- Every loop is bounded: by the candidates of one call and by RECORDS_DROPPED_MAX.
--
-- Why no error can leave shares without their record, or count them again
--
-- Redis does not undo what a function wrote before an error. So everything that could refuse a
-- later write is asked before the first one that matters, XADD:
--   rights       every command to come is checked for this user and these keys; the rights cannot
--                change while a function runs
--   types        each key to come has been read by a command of its type
--   memory, disk, a replica
--                Redis looks at these before a function's first write only, and never refuses a
--                later one: it "can't fail it on unpredictable error state" (its script.c)
-- What comes before XADD is harmless alone: that the lowest grew, and that records below it are
-- gone, is true of the lease whatever becomes of the batch. XADD itself can fail (its ids can be
-- exhausted): then nothing happened. ZADD follows at once, and from there a repeat is recognised.
-- The totals come last: where somebody put a text in place of a number there, the append holds, the
-- caller hears an error, asks again, and gets 'R'.
-- The process killed, or its power lost, in between: Redis writes a function's effects to its file
-- as one MULTI … EXEC, and drops one that is cut short.
local RECORDS_DROPPED_MAX = 64
-- the field of KEYS 3 that no lease has: all leases below its value are over (packed.h)
local BELOW = 'below'
local OVER = '\255\255\255\255\255\255\255\255'
-- where a packed batch holds the index of its last share (packed.h)
local LAST_INDEX_FROM, LAST_INDEX_TO = 18, 21

-- Whether one 8-byte sequence stands before another. Not `<`, which follows the server's locale.
local function below(a, b)
    for i = 1, 8 do
        local x, y = string.byte(a, i), string.byte(b, i)
        if x ~= y then
            return x < y
        end
    end
    return false
end

-- Where a window ends that has no share of its own: kind, index and id of the last share there is.
local function last_share(stream)
    local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
    if not newest then
        return 'e', '\0\0\0\0', ''
    end
    return 'u', string.sub(newest[2][2], LAST_INDEX_FROM, LAST_INDEX_TO), newest[1]
end

local function advance(leases, records, lease, lowest)
    local known, mark = unpack(redis.call('HMGET', leases, lease, BELOW))
    if mark and below(lease, mark) then
        return OVER -- nothing of it is kept, not even its name
    end
    if known and not below(known, lowest) then
        lowest = known
    else
        redis.call('HSET', leases, lease, lowest)
    end
    local dropped = redis.call('ZRANGEBYLEX', records, '-', '(' .. lowest, 'LIMIT', 0,
                               RECORDS_DROPPED_MAX)
    if dropped[1] then
        redis.call('ZREM', records, unpack(dropped))
    end
    return lowest
end

-- An error under this name is our word that nothing was applied.
local function refuse(what)
    return redis.error_reply('NOTAPPLIED ' .. what)
end

-- The first command among those after XADD that this user may not run, or nil.
local function forbidden(keys, with_candidates)
    local _, records, _, candidates, totals = unpack(keys)
    if not redis.acl_check_cmd('ZADD', records, '0', '') then
        return 'zadd'
    end
    if not redis.acl_check_cmd('HINCRBY', totals, 'batches', '1') then
        return 'hincrby'
    end
    if with_candidates and not redis.acl_check_cmd('HSETNX', candidates, '', '') then
        return 'hsetnx'
    end
end

local function append(keys, argv)
    local stream, records, leases, candidates, totals = unpack(keys)
    local sequence, batch, verdicts = argv[2], argv[4], argv[5]
    local lowest = advance(leases, records, argv[1], argv[3])
    if below(sequence, lowest) then
        return { 'L' }
    end
    local record = redis.call('ZRANGEBYLEX', records, '[' .. sequence, '(' .. sequence .. '\255',
                              'LIMIT', 0, 1)[1]
    if record then
        return { 'R', record }
    end

    local missing = forbidden(keys, argv[8])
    if missing then
        return refuse('the user may not run ' .. missing)
    end
    redis.call('HGET', totals, 'batches') -- of the right type, like the candidates below
    local last_kind, last_index, last_id
    if argv[8] then
        redis.call('HGET', candidates, argv[8])
        last_kind, last_index, last_id = last_share(stream)
    end
    local id = ''
    if batch ~= '' then
        id = redis.call('XADD', stream, '*', 'b', batch)
    end
    redis.call('ZADD', records, 0, sequence .. '\1' .. string.char(#id) .. id .. verdicts)
    local recorded = 0
    for i = 8, #argv, 3 do
        local kind, index, at = last_kind, last_index, last_id
        if argv[i + 1] ~= '' then
            kind, index, at = 'c', argv[i + 1], id
        end
        recorded = recorded + redis.call('HSETNX', candidates, argv[i],
            '\1' .. kind .. index .. string.char(#at) .. at .. argv[i + 2])
    end
    redis.call('HINCRBY', totals, 'batches', 1)
    if argv[6] ~= '0' then
        redis.call('HINCRBY', totals, 'accepted', argv[6])
    end
    if argv[7] ~= '0' then
        redis.call('HINCRBY', totals, 'rejected', argv[7])
    end
    if recorded > 0 then
        redis.call('HINCRBY', totals, 'candidates', recorded)
    end
    return { 'A', id }
end

-- Whether the user may run all that `append` runs, on its keys: asked once a connection, so that a
-- user who lacks a right is told which before the first share. A command the server does not have
-- (renamed away) is an error of its own. Writes nothing.
local function prove(keys)
    local stream, records, leases, candidates, totals = unpack(keys)
    local commands = {
        { 'HMGET', leases, '', '' },
        { 'HSET', leases, '', '' },
        { 'ZRANGEBYLEX', records, '-', '+', 'LIMIT', '0', '1' },
        { 'ZREM', records, '' },
        { 'XREVRANGE', stream, '+', '-', 'COUNT', '1' },
        { 'XADD', stream, '*', 'b', '' },
        { 'HGET', candidates, '' },
        { 'HGET', totals, '' },
    }
    for _, command in ipairs(commands) do
        if not redis.acl_check_cmd(unpack(command)) then
            return refuse('the user may not run ' .. string.lower(command[1]))
        end
    end
    local missing = forbidden(keys, true)
    if missing then
        return refuse('the user may not run ' .. missing)
    end
    return redis.status_reply('OK')
end

redis.register_function('adit_window_append_1', append)
redis.register_function('adit_window_prove_1', prove)
