-- SPDX-License-Identifier: BSD-2-Clause
-- mixed.lua: for wrk: requests for both hosts and all files in turn, so that connections move; every response is compared
-- byte for byte with the file, and with the backend that had to answer.
--
--   wrk ... -s mixed.lua URL -- DIRECTORY keep|close FILE...      the files are DIRECTORY/one/FILE, DIRECTORY/two/FILE

local hosts = { "one", "two" }
local threads = {}

function setup(thread)
	table.insert(threads, thread)
end

function init(args)
	files, requests, lengths = {}, {}, {}
	turn, good, wrong, why = 0, 0, 0, "-"
	for i = 3, #args do
		for _, host in ipairs(hosts) do
			local f = assert(io.open(args[1] .. "/" .. host .. "/" .. args[i], "rb"))
			local headers = { Host = host .. ".example.org" }

			files[host .. args[i]] = f:read("*a")
			f:close()
			if args[2] == "close" then
				headers.Connection = "close"
			end
			table.insert(requests, wrk.format("GET", "/" .. args[i], headers))
		end
	end
end

function request()
	turn = turn + 1
	return requests[turn % #requests + 1]
end

function response(status, headers, body)
	local backend, length = headers["X-Backend"] or "-", headers["Content-Length"] or "-"

	if status == 200 and files[backend .. length] == body then
		good = good + 1
	else
		wrong = wrong + 1
		why = status .. " " .. backend .. " " .. length .. " " .. #body
	end
end

function done(summary, latency, all)
	local good, wrong, why = 0, 0, "-"

	for _, thread in ipairs(threads) do
		good = good + thread:get("good")
		wrong = wrong + thread:get("wrong")
		if thread:get("wrong") > 0 then
			why = thread:get("why")
		end
	end
	print("verified: " .. good .. " responses")
	if wrong > 0 then
		print("wrong: " .. wrong .. " responses, e.g. " .. why)
	end
end
