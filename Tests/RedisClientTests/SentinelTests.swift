// SPDX-License-Identifier: Apache-2.0

import Foundation
import RedisClient
import TestSupport
import Testing

// One after the other: each has half a dozen servers.
@Suite(.serialized) struct `A master that sentinels watch` {
    @Test func `is followed when it is killed, and what comes back is not written to`() async throws {
        let setup = try await SentinelSetup.start(replicas: 2)
        try await withRedis(setup.url) { redis in
            let script = RedisScript(Array("return redis.call('INCR', KEYS[1])".utf8))
            #expect(try await redis.eval(script, keys: ["count"], arguments: []).int == 1)
            let blocked = Task {
                try await redis.blocking(["BLPOP", "nothing", "60"], serverTimeout: .seconds(60))
            }
            try await RedisServer.until("a client blocks") {
                try await setup.servers[0].cli("INFO", "clients").contains("blocked_clients:1")
            }
            setup.servers[0].kill()
            #expect(await redisError { _ = try await blocked.value }?.code == .connectionLost)

            try await RedisServer.until("the sentinels agree on another master") {
                try await setup.master() > 0
            }
            let agreed = ContinuousClock.now
            let value = try await redis.eval(
                script, keys: ["after"], arguments: [], deadline: .seconds(60))
            #expect(value.int == 1)
            #expect(agreed.duration(to: .now) < .seconds(5))
            let master = setup.servers[try await setup.master()]
            #expect(try await master.cli("GET", "after") == "1")
            #expect(
                try await redis.blocking(["BLPOP", "nothing", "0.01"], serverTimeout: .milliseconds(10))
                    == .null)

            try await setup.servers[0].start()
            var acknowledged = 1
            // It is a master with no keys until the sentinels make it a replica.
            try await RedisServer.until("the old master is a replica") {
                try await Self.disconnectClients(of: master)
                do {
                    acknowledged = Int(
                        try await redis.eval(script, keys: ["after"], arguments: [], deadline: .seconds(30))
                            .int ?? 0)
                } catch let error as RedisError where error.code == .connectionLost {
                    // Whether it counted is unknown.
                    acknowledged += 1
                }
                do {
                    return try await setup.servers[0].cli("INFO", "replication").contains("role:slave")
                } catch is ServerError {
                    // A sentinel that makes a replica of it closes the connections of its clients.
                    return false
                }
            }
            let rest = try await redis.eval(script, keys: ["after"], arguments: [], deadline: .seconds(30))
            #expect(Int(rest.int ?? 0) >= acknowledged)
            let refusals = try await setup.servers[0].cli("INFO", "errorstats")
            #expect(!refusals.contains("READONLY"))
        }
    }

    /// Closes the connections of all clients but the sentinels: a master of which they hear nothing for a second is dead
    /// to them.
    private static func disconnectClients(of server: RedisServer) async throws {
        let clients = try await server.cli("CLIENT", "LIST", "TYPE", "normal")
        for client in clients.split(whereSeparator: \.isNewline) where !client.contains(" name=sentinel-") {
            guard let id = client.split(separator: " ").first?.dropFirst("id=".count) else { continue }
            // It may be gone already.
            _ = try await server.cli("CLIENT", "KILL", "ID", String(id))
        }
    }

    @Test func `is not taken from a sentinel that names a replica`() async throws {
        let ports = try (0..<4).map { _ in try RedisServer.freePort() }
        let master = try await RedisServer(arguments: ["--port", "\(ports[0])", "--bind", "127.0.0.1"])
        let replica = try await RedisServer(arguments: [
            "--port", "\(ports[1])", "--bind", "127.0.0.1", "--replicaof", "127.0.0.1 \(ports[0])",
        ])
        // A quorum that it never has keeps it from changing anything.
        let stale = try await SentinelSetup.sentinel(port: ports[2], watching: ports[1], quorum: 9)
        #expect(
            try await stale.cli("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main") == "127.0.0.1\n\(ports[1])")
        try await withRedis(SentinelSetup.url([ports[2]])) { redis in
            let saysWhy = try await eventually {
                let error = await redisError {
                    _ = try await redis.command(["SET", "key", "x"], deadline: .milliseconds(50))
                }
                #expect(error?.code == .timeout)
                return error?.message.contains("it is no master, its role is slave") == true
            }
            #expect(saysWhy)
        }
        let right = try await SentinelSetup.sentinel(port: ports[3], watching: ports[0], quorum: 9)
        try await withRedis(SentinelSetup.url([ports[2], 1, ports[3]])) { redis in
            let reply = try await redis.command(["SET", "key", "x"], deadline: .seconds(30))
            #expect(reply == .status("OK"))
            #expect(try await master.cli("GET", "key") == "x")
        }
        let refusals = try await replica.cli("INFO", "errorstats")
        #expect(!refusals.contains("READONLY"))
        right.kill()
    }

    @Test func `that became a replica under the connection is left, and no command fails`() async throws {
        let ports = try (0..<3).map { _ in try RedisServer.freePort() }
        func server(_ port: Int) async throws -> RedisServer {
            try await RedisServer(arguments: [
                "--port", "\(port)", "--bind", "127.0.0.1", "--requirepass", "pw", "--masterauth", "pw",
            ])
        }
        let servers = [try await server(ports[0]), try await server(ports[1])]
        let sentinel = try await SentinelSetup.sentinel(
            port: ports[2], watching: ports[0], quorum: 9, arguments: ["--requirepass", "guard"])
        let url = "redis+sentinel://:pw@127.0.0.1:\(ports[2])/main/2?sentinel_password=guard"
        try await withRedis(url) { redis in
            #expect(try await redis.command(["SET", "where", "first"]) == .status("OK"))
            let blocked = Task {
                try await redis.blocking(["BLPOP", "list", "30"], serverTimeout: .seconds(30))
            }
            try await RedisServer.until("a client blocks") {
                try await servers[0].cli("-a", "pw", "--no-auth-warning", "INFO", "clients")
                    .contains("blocked_clients:1")
            }
            for command in [
                ["SENTINEL", "REMOVE", "main"],
                ["SENTINEL", "MONITOR", "main", "127.0.0.1", "\(ports[1])", "9"],
            ] {
                _ = try await sentinel.cli(["-a", "guard", "--no-auth-warning"] + command)
            }
            _ = try await servers[0].cli(
                "-a", "pw", "--no-auth-warning", "REPLICAOF", "127.0.0.1", "\(ports[1])")

            try await withThrowingTaskGroup(of: RedisValue.self) { group in
                for number in 0..<50 {
                    group.addTask { try await redis.command(["RPUSH", "list", RedisArgument(number)]) }
                }
                for try await reply in group { #expect(reply.int != nil) }
            }
            #expect(try await blocked.value.array?.count == 2)
            #expect(try await redis.command(["EXISTS", "where"]).int == 0, "another server")
            #expect(try await redis.command(["LLEN", "list"]).int == 49)
            let info = try await redis.command(["CLIENT", "INFO"]).text ?? ""
            #expect(info.contains(" db=2 "))
        }
    }

    @Test func `gets what a cancelled task posts`() async throws {
        let ports = try (0..<2).map { _ in try RedisServer.freePort() }
        let master = try await RedisServer(arguments: ["--port", "\(ports[0])", "--bind", "127.0.0.1"])
        let sentinel = try await SentinelSetup.sentinel(port: ports[1], watching: ports[0])
        try await withRedis(SentinelSetup.url([ports[1]])) { redis in
            let posting = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                await redis.post(["SET", "key", "x"]) { error in Issue.record("\(error)") }
            }
            await posting.value
            let kept = try await master.cli("GET", "key")
            #expect(kept == "x")
        }
        sentinel.kill()
    }

    @Test func `whose sentinels do not know it is an error that says so`() async throws {
        let ports = try (0..<2).map { _ in try RedisServer.freePort() }
        let sentinel = try await SentinelSetup.sentinel(port: ports[0], watching: ports[1])
        try await withRedis("redis+sentinel://127.0.0.1:\(ports[0])/other") { redis in
            let saysWhy = try await eventually {
                let error = await redisError {
                    _ = try await redis.command(["PING"], deadline: .milliseconds(50))
                }
                return error?.message.contains("knows no master 'other'") == true
            }
            #expect(saysWhy)
        }
        sentinel.kill()
    }

    @Test(arguments: [true, false])
    func `is found over TLS, with sentinels that use it or not`(isSealed: Bool) async throws {
        let ports = try (0..<2).map { _ in try RedisServer.freePort() }
        let certificates = try Certificates()
        let master = try await RedisServer(arguments: certificates.arguments(port: ports[0]))
        let sentinel = try await RedisServer(
            arguments: isSealed
                ? certificates.arguments(port: ports[1]) : ["--port", "\(ports[1])", "--bind", "127.0.0.1"],
            sentinelConfiguration: "sentinel monitor main 127.0.0.1 \(ports[0]) 9")
        let url =
            "rediss+sentinel://127.0.0.1:\(ports[1])/main?ca_file=\(certificates.certificate)"
            + (isSealed ? "" : "&sentinel_tls=no")
        try await withRedis(url) { redis in
            let reply = try await redis.command(["SET", "key", "sealed"])
            #expect(reply == .status("OK"))
        }
        #expect(try await master.cli("GET", "key") == "sealed")
        sentinel.kill()
    }

    @Test func `that hangs is left when its successor is there`() async throws {
        let setup = try await SentinelSetup.start()
        try await withRedis(setup.url, configure: { $0.commandTimeout = .seconds(1) }) { redis in
            #expect(try await redis.command(["SET", "a", "1"], deadline: .seconds(10)) == .status("OK"))
            let blocked = Task {
                try await redis.blocking(["BLPOP", "nothing", "60"], serverTimeout: .seconds(60))
            }
            try await RedisServer.until("a client blocks") {
                try await setup.servers[0].cli("INFO", "clients").contains("blocked_clients:1")
            }
            setup.servers[0].freeze()
            try await RedisServer.until("the sentinels agree on another master") {
                try await setup.master() == 1
            }
            let agreed = ContinuousClock.now
            try await RedisServer.until("a command works") {
                do {
                    return try await redis.command(["SET", "b", "2"], deadline: .seconds(10)) == .status("OK")
                } catch let error as RedisError where error.code == .connectionLost {
                    return false
                }
            }
            #expect(agreed.duration(to: .now) < .seconds(5))
            #expect(try await setup.servers[1].cli("GET", "b") == "2")
            #expect(await redisError { _ = try await blocked.value }?.code == .connectionLost)
        }
        setup.servers[0].thaw()
    }
}
