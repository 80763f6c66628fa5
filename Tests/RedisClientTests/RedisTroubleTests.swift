// SPDX-License-Identifier: Apache-2.0

import Logging
import RedisClient
import TestSupport
import Testing

@Suite struct `A Redis connection in trouble` {
    @Test func `that is refused as read-only goes where the address leads by then`() async throws {
        let (old, new) = (try await RedisServer(), try await RedisServer())
        let proxy = try FaultProxy(to: .unixSocket(old.socketPath))
        try await withRedis("redis://127.0.0.1:\(proxy.port)") { redis in
            _ = try await redis.command(["SET", "key", "old"])
            try await withRedis(old.url) { _ = try await $0.command(["REPLICAOF", "127.0.0.1", "1"]) }
            proxy.retarget(.unixSocket(new.socketPath))

            let error = await redisError { _ = try await redis.command(["SET", "key", "new"]) }
            #expect(error?.serverPrefix == "READONLY")
            let isThere = try await eventually {
                await redisError { _ = try await redis.command(["SET", "key", "new"]) } == nil
            }
            #expect(isThere)
        }
        try await withRedis(new.url) { redis in
            let reply = try await redis.command(["GET", "key"])
            #expect(reply.text == "new")
        }
    }

    @Test func `that dies without a word is given up, together with those that block`() async throws {
        let server = try await RedisServer()
        let proxy = try FaultProxy(to: .unixSocket(server.socketPath))
        try await withRedis(
            "redis://127.0.0.1:\(proxy.port)", configure: { $0.commandTimeout = .seconds(1) }
        ) { redis in
            let blocked = Task {
                try await redis.blocking(["BLPOP", "nothing", "60"], serverTimeout: .seconds(60))
            }
            _ = try await redis.command(["PING"], deadline: .seconds(10))
            let isBlocked = try await eventually {
                let clients = try await redis.command(["INFO", "clients"], deadline: .seconds(5)).text ?? ""
                return clients.contains("blocked_clients:1")
            }
            #expect(isBlocked)

            proxy.swallow()
            let error = await redisError { _ = try await redis.command(["PING"], deadline: .seconds(60)) }
            #expect(error?.code == .connectionLost)
            #expect(await redisError { _ = try await blocked.value }?.code == .connectionLost)
            proxy.heal()

            let reply = try await redis.command(["ECHO", "back"], deadline: .seconds(30))
            #expect(reply.text == "back")
        }
    }

    @Test func `that a new password has made useless logs in when the password is back`() async throws {
        let server = try await RedisServer()
        try await withRedis(server.url) { admin in
            _ = try await admin.command(["ACL", "SETUSER", "app", "on", ">old", "~*", "+@all"])
            try await withRedis("unix://app:old@\(server.socketPath)") { redis in
                _ = try await redis.command(["PING"])
                // The user is taken away, with its connections.
                _ = try await admin.command(["ACL", "DELUSER", "app"])
                _ = try await admin.command(["ACL", "SETUSER", "app", "on", ">new", "~*", "+@all"])
                let saysWhy = try await eventually {
                    await redisError { _ = try await redis.command(["PING"], deadline: .milliseconds(100)) }?
                        .message.contains("WRONGPASS") == true
                }
                #expect(saysWhy)
                _ = try await admin.command(["ACL", "SETUSER", "app", ">old"])

                let reply = try await redis.command(["ECHO", "back"], deadline: .seconds(30))
                #expect(reply.text == "back")
            }
        }
    }
}
