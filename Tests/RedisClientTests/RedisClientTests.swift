// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient
import TestSupport
import Testing

@Suite struct `The Redis client` {
    @Test func `returns every kind of reply`() async throws {
        let (url, key) = try await RedisServer.makePrefix()
        try await withRedis(url) { redis in
            #expect(try await redis.command(["SET", RedisArgument(key), "\u{e9}"]) == .status("OK"))
            #expect(try await redis.command(["GET", RedisArgument(key)]) == .string([0xC3, 0xA9]))
            #expect(try await redis.command(["GET", RedisArgument(key + "none")]) == .null)
            #expect(try await redis.command(["STRLEN", RedisArgument(key)]).int == 2)
            let nested = try await redis.command([
                "EVAL", "return {1, {'a', false}, redis.error_reply('E x')}", "0",
            ])
            #expect(nested == .array([.integer(1), .array([.string([0x61]), .null]), .error("E x")]))
        }
    }

    @Test func `keeps bytes as they are`() async throws {
        let (url, key) = try await RedisServer.makePrefix()
        let bytes = (0..<4_096).map { UInt8(truncatingIfNeeded: $0) } + [0x0D, 0x0A, 0x00]
        try await withRedis(url) { redis in
            _ = try await redis.command(["SET", RedisArgument(key), RedisArgument(bytes)])
            #expect(try await redis.command(["GET", RedisArgument(key)]).bytes == bytes)
        }
    }

    @Test func `reads a reply of many megabytes`() async throws {
        let (url, key) = try await RedisServer.makePrefix()
        let bytes = [UInt8](repeating: 0x78, count: 20 << 20)
        try await withRedis(url) { redis in
            _ = try await redis.command(["SET", RedisArgument(key), RedisArgument(bytes)])
            #expect(try await redis.command(["GET", RedisArgument(key)]).bytes?.count == bytes.count)
            _ = try await redis.command(["DEL", RedisArgument(key)])
        }
    }

    @Test func `gives each of 100 tasks its own replies`() async throws {
        let (url, key) = try await RedisServer.makePrefix()
        try await withRedis(url) { redis in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for task in 0..<100 {
                    group.addTask {
                        for round in 0..<50 {
                            let text = "\(key)-\(task)-\(round)"
                            guard try await redis.command(["ECHO", RedisArgument(text)]).text == text else {
                                return false
                            }
                        }
                        return true
                    }
                }
                for try await isRight in group { #expect(isRight) }
            }
        }
    }

    @Test func `throws the server's refusal with its first word`() async throws {
        let (url, key) = try await RedisServer.makePrefix()
        try await withRedis(url) { redis in
            _ = try await redis.command(["SET", RedisArgument(key), "x"])
            let error = await redisError { _ = try await redis.command(["LPOP", RedisArgument(key)]) }
            #expect(error?.code == .serverError(prefix: "WRONGTYPE"))
        }
    }

    @Test func `posts a command ahead of every later one, and says when it fails`() async throws {
        let (url, key) = try await RedisServer.makePrefix()
        try await withRedis(url) { redis in
            let failures = LockedBox<[RedisError]>([])
            for round in 1...200 {
                await redis.post(["INCR", RedisArgument(key)]) { error in
                    failures.withLock { $0.append(error) }
                }
                #expect(try await redis.command(["GET", RedisArgument(key)]).text == "\(round)")
            }
            #expect(failures.withLock { $0.isEmpty })

            await redis.post(["LPOP", RedisArgument(key)]) { error in failures.withLock { $0.append(error) } }
            _ = try await redis.command(["PING"])
            #expect(failures.withLock { $0.map(\.code) } == [.serverError(prefix: "WRONGTYPE")])
        }
    }

    @Test func `says that a posted command failed when the client is closed`() async throws {
        let (url, _) = try await RedisServer.makePrefix()
        let closed = LockedBox<RedisClient?>(nil)
        try await withRedis(url) { redis in closed.withLock { $0 = redis } }
        let redis = try #require(closed.withLock { $0 })
        let code = await withCheckedContinuation { continuation in
            Task { await redis.post(["PING"]) { continuation.resume(returning: $0.code) } }
        }
        #expect(code == .closed)
    }

    @Test func `loads a script that the server does not know`() async throws {
        let (url, key) = try await RedisServer.makePrefix()
        let script = RedisScript(Array("return {KEYS[1], ARGV[1]} -- \(key)".utf8))
        try await withRedis(url) { redis in
            for _ in 0..<2 {
                let reply = try await redis.eval(
                    script, keys: [RedisArgument(key)], arguments: [RedisArgument(7)])
                #expect(reply == .array([.string(Array(key.utf8)), .string([0x37])]))
            }
            #expect(
                try await redis.command(["SCRIPT", "EXISTS", RedisArgument(script.sha1)])
                    == .array([.integer(1)]))
        }
    }

    @Test func `fails a command at its deadline and goes on`() async throws {
        let (url, key) = try await RedisServer.makePrefix()
        try await withRedis(url) { redis in
            // Connected first: a command that waits for its connection would be given up unsent.
            _ = try await redis.command(["PING"])
            // The server would answer, if late: who waits for that gets no error.
            let error = await redisError {
                _ = try await redis.command(
                    ["BLPOP", RedisArgument(key), "30"], deadline: .milliseconds(50))
            }
            #expect(error?.code == .timeout)
            // Before the silence counts as the connection's end.
            _ = try await redis.blocking(["LPUSH", RedisArgument(key), "x"], serverTimeout: .zero)
            let next = try await redis.command(["ECHO", "on"])
            #expect(next.text == "on")
        }
    }

    @Test func `a cancelled command leaves its neighbours alone`() async throws {
        let (url, key) = try await RedisServer.makePrefix()
        try await withRedis(url) { redis in
            _ = try await redis.command(["PING"])
            let slow = Task { try await redis.command(["BLPOP", RedisArgument(key), "30"]) }
            let neighbours = (0..<20).map { number in
                Task { try await redis.command(["ECHO", RedisArgument(number)]).int }
            }
            slow.cancel()

            let error = await redisError { _ = try await slow.value }
            #expect(error?.code == .cancelled)
            // The server answers them when it has answered that one, if it was sent.
            _ = try await redis.blocking(["LPUSH", RedisArgument(key), "x"], serverTimeout: .zero)
            for (number, task) in neighbours.enumerated() {
                #expect(try await task.value == Int64(number))
            }
        }
    }

    @Test func `a command of a cancelled task fails at once`() async throws {
        let (url, _) = try await RedisServer.makePrefix()
        try await withRedis(url) { redis in
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await redis.command(["PING"])
            }
            #expect(await redisError { _ = try await task.value }?.code == .cancelled)
        }
    }

    @Test func `commands that exceed the limit are refused`() async throws {
        let server = try await RedisServer()
        try await withRedis(server.url, configure: { $0.maxPendingCommands = 1 }) { redis in
            let first = Task { try await redis.command(["BLPOP", "list", "30"]) }
            let isPending = try await eventually {
                let clients = try await redis.blocking(["INFO", "clients"], serverTimeout: .zero).text ?? ""
                return clients.contains("blocked_clients:1")
            }
            #expect(isPending)
            let error = await redisError { _ = try await redis.command(["PING"]) }
            #expect(error?.code == .overloaded)
            _ = try await redis.blocking(["LPUSH", "list", "x"], serverTimeout: .zero)
            #expect(try await first.value.array?.last?.text == "x")
        }
    }

    @Test func `after its run has ended every command fails as closed`() async throws {
        let (url, _) = try await RedisServer.makePrefix()
        let client = try await withRedis(url) { redis in
            _ = try await redis.command(["PING"])
            return redis
        }
        #expect(await redisError { _ = try await client.command(["PING"]) }?.code == .closed)
        #expect(
            await redisError { _ = try await client.blocking(["PING"], serverTimeout: .seconds(1)) }?.code
                == .closed)
    }
}

@Suite struct `Blocking commands` {
    @Test func `do not hold up the shared connection`() async throws {
        let (url, key) = try await RedisServer.makePrefix()
        try await withRedis(url) { redis in
            let popped = Task {
                try await redis.blocking(["BLPOP", RedisArgument(key), "30"], serverTimeout: .seconds(30))
            }
            #expect(try await redis.command(["ECHO", "free"]).text == "free")
            _ = try await redis.command(["LPUSH", RedisArgument(key), "job"])
            #expect(try await popped.value.array?.last?.text == "job")
        }
    }

    @Test func `return null when nothing comes`() async throws {
        let (url, key) = try await RedisServer.makePrefix()
        try await withRedis(url) { redis in
            let reply = try await redis.blocking(
                ["BLPOP", RedisArgument(key), "0.05"], serverTimeout: .milliseconds(50))
            #expect(reply == .null)
        }
    }

    @Test func `come back when they are cancelled, and their connection is used again`() async throws {
        let (url, key) = try await RedisServer.makePrefix()
        try await withRedis(url, configure: { $0.blockingConnections = 1 }) { redis in
            for _ in 0..<20 {
                let blocked = Task {
                    try await redis.blocking(
                        ["BLPOP", RedisArgument(key), "30"], serverTimeout: .seconds(30))
                }
                await Task.yield()
                blocked.cancel()
                #expect(try await blocked.value == .null)
            }
            _ = try await redis.command(["LPUSH", RedisArgument(key), "job"])
            let reply = try await redis.blocking(
                ["BLPOP", RedisArgument(key), "1"], serverTimeout: .seconds(1))
            #expect(reply.array?.last?.text == "job")
        }
    }

    @Test func `more of them than connections are refused`() async throws {
        let (url, key) = try await RedisServer.makePrefix()
        try await withRedis(url, configure: { $0.blockingConnections = 1 }) { redis in
            let codes = await withTaskGroup(of: RedisError.Code?.self) { group in
                for _ in 0..<2 {
                    group.addTask {
                        let code = await redisError {
                            _ = try await redis.blocking(
                                ["BLPOP", RedisArgument(key), "30"], serverTimeout: .seconds(30))
                        }?.code
                        // The other one need not wait for longer.
                        _ = await redisError {
                            _ = try await redis.command(["LPUSH", RedisArgument(key), "x"])
                        }
                        return code
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(codes == [.overloaded, nil])
        }
    }
}
