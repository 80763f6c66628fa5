// SPDX-License-Identifier: Apache-2.0

import Foundation
import Model
import RedisClient
import TestSupport
import Testing

@Suite struct `A Redis connection` {
    @Test func `comes back after the server died`() async throws {
        let server = try await RedisServer()
        let script = RedisScript(Array("return 'hello'".utf8))
        try await withRedis(server.url) { redis in
            #expect(try await redis.eval(script, keys: [], arguments: []).text == "hello")
            server.kill()
            let waiting = Task { try await redis.command(["ECHO", "later"], deadline: .seconds(60)) }
            try await server.start()

            // The command either waited for the new connection or was caught by the loss of the old one.
            do {
                #expect(try await waiting.value.text == "later")
            } catch let error as RedisError {
                #expect(error.code == .connectionLost)
            }
            // The new server has never seen the script.
            #expect(
                try await redis.eval(script, keys: [], arguments: [], deadline: .seconds(60)).text == "hello")
        }
    }

    @Test func `fails what was under way when the server dies`() async throws {
        let server = try await RedisServer()
        try await withRedis(server.url) { redis in
            _ = try await redis.command(["PING"])
            let pending = Task {
                try await redis.command(["BLPOP", "nothing", "60"], deadline: .seconds(60))
            }
            let blocked = Task {
                try await redis.blocking(["BLPOP", "nothing", "60"], serverTimeout: .seconds(60))
            }
            _ = try await eventually {
                // Both are known to the server when two clients block.
                let clients = try await redis.blocking(["INFO", "clients"], serverTimeout: .zero).text ?? ""
                return clients.contains("blocked_clients:2")
            }
            server.kill()

            #expect(await redisError { _ = try await pending.value }?.code == .connectionLost)
            #expect(await redisError { _ = try await blocked.value }?.code == .connectionLost)
        }
    }

    @Test func `that cannot be made fails commands at their deadline and says why`() async throws {
        try await withRedis("unix:///nowhere/redis.sock") { redis in
            // The first attempt to connect may still be under way when the first command gives up.
            let saysWhy = try await eventually {
                let error = await redisError {
                    _ = try await redis.command(["PING"], deadline: .milliseconds(50))
                }
                #expect(error?.code == .timeout)
                let reason = "no connection: cannot connect to Redis at /nowhere/redis.sock"
                return error?.message.contains(reason) == true
            }
            #expect(saysWhy)
        }
    }

    @Test func `on which nothing arrives counts as dead`() async throws {
        let server = try await RedisServer()
        try await withRedis(server.url, configure: { $0.commandTimeout = .seconds(1) }) { redis in
            _ = try await redis.command(["PING"], deadline: .seconds(10))
            server.freeze()
            let started = ContinuousClock.now
            let error = await redisError { _ = try await redis.command(["PING"], deadline: .seconds(60)) }
            server.thaw()
            #expect(started.duration(to: .now) < .seconds(30))

            #expect(error?.code == .connectionLost)
            let isBack = try await eventually {
                try await redis.command(["ECHO", "back"], deadline: .seconds(5)).text == "back"
            }
            #expect(isBack)
        }
    }

    @Test func `logs in with a password and selects its database`() async throws {
        let port = try RedisServer.freePort()
        let server = try await RedisServer(arguments: [
            "--port", String(port), "--bind", "127.0.0.1", "--requirepass", "p@ss",
        ])
        try await withRedis("redis://:p%40ss@127.0.0.1:\(port)/3") { redis in
            _ = try await redis.command(["SET", "key", "three"])
            let info = try await redis.command(["CLIENT", "INFO"]).text ?? ""
            #expect(info.contains(" db=3 "))
            let blocked = try await redis.blocking(["GET", "key"], serverTimeout: .zero)
            #expect(blocked.text == "three")
        }
        try await withRedis("unix://default:wrong@\(server.socketPath)") { redis in
            let saysWhy = try await eventually {
                let error = await redisError {
                    _ = try await redis.command(["PING"], deadline: .milliseconds(50))
                }
                #expect(error?.code == .timeout)
                return error?.message.contains("WRONGPASS") == true
            }
            #expect(saysWhy)
        }
    }

    @Test func `over TLS checks the certificate`() async throws {
        let port = try RedisServer.freePort()
        let certificates = try Certificates()
        let server = try await RedisServer(arguments: certificates.arguments(port: port))
        try await withRedis("rediss://localhost:\(port)?ca_file=\(certificates.certificate)") { redis in
            let reply = try await redis.command(["ECHO", "sealed"])
            #expect(reply.text == "sealed")
        }
        try await withRedis("rediss://localhost:\(port)") { redis in
            let error = await redisError {
                _ = try await redis.command(["PING"], deadline: .seconds(2))
            }
            #expect(error?.code == .timeout)
        }
        server.kill()
    }
}
