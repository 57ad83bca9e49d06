-- What wrk sends: the prepared requests in turn, each with a number of its own. After `seconds` no request
-- is sent any more while the answers still come in, so what was sent, answered and stored must be equal.
-- https://github.com/wg/wrk/blob/4.1.0/SCRIPTING
local ffi = require("ffi")
ffi.cdef [[
    typedef struct { long seconds; long nanoseconds; } bench_time;
    int clock_gettime(int clock, bench_time *time);
]]
local NUMBER, MONOTONIC, FOREVER = "0000000000", 1, 1000000
local clock = ffi.new("bench_time")
local pieces = {}
local thread_of_run

local function now()
    ffi.C.clock_gettime(MONOTONIC, clock)
    return tonumber(clock.seconds) + tonumber(clock.nanoseconds) / 1e9
end

local function split(text, separator)
    local parts, from = {}, 1
    local start, stop = text:find(separator, from, true)
    while start do
        parts[#parts + 1] = text:sub(from, start - 1)
        from = stop + 1
        start, stop = text:find(separator, from, true)
    end
    parts[#parts + 1] = text:sub(from)
    return parts
end

function setup(thread)
    thread_of_run = thread
end

function init(arguments)
    local file = assert(io.open(arguments[1], "rb"))
    for _, text in ipairs(split(file:read("*a"), "\0")) do
        pieces[#pieces + 1] = split(text, NUMBER)
    end
    file:close()
    seconds = tonumber(arguments[2])
    sent = -1 -- wrk asks for one request that it does not send, to see what it is
    started = nil
    last = 0
end

-- Called when a connection is free again: that is when an answer has come.
function delay()
    last = now()
    started = started or last
    return last - started < seconds and 0 or FOREVER
end

function request()
    sent = sent + 1
    local piece = pieces[sent % #pieces + 1]
    return table.concat(piece, string.format("%010d", sent))
end

function done(summary, latency)
    local lost = summary.errors.connect + summary.errors.read + summary.errors.write
    io.write(string.format(
        '\nRESULT {"sent": %d, "answered": %d, "refused": %d, "lost": %d, "seconds": %.6f}\n',
        thread_of_run:get("sent"), summary.requests, summary.errors.status, lost,
        thread_of_run:get("last") - thread_of_run:get("started")
    ))
end
