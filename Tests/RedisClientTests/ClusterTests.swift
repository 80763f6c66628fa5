// SPDX-License-Identifier: Apache-2.0

import Foundation
import RedisClient
import TestSupport
import Testing

// One after the other: each has half a dozen servers.
@Suite(.serialized) struct `A Redis Cluster` {
    @Test func `is served while the slot moves, by redirects`() async throws {
        let cluster = try await RedisClusterSetup.start()
        let (prefix, slot) = try await cluster.makePrefix()
        let (one, two) = (RedisArgument("\(prefix):one"), RedisArgument("\(prefix):two"))
        let fresh = RedisArgument("\(prefix):fresh")
        let get = RedisScript(Array("return redis.call('GET', KEYS[1])".utf8))
        // Without a key the client does not know the slot, so that the first redirect tells it.
        try await withRedis(cluster.url()) { redis in
            #expect(try await redis.command(["MSET", one, "1", two, "2"]) == .status("OK"))
            #expect(try await cluster.refusals("MOVED", by: 1) > 0)
            #expect(try await redis.eval(get, keys: [one], arguments: []).text == "1")
            let blocked = Task {
                try await redis.blocking(
                    ["BLPOP", RedisArgument("\(prefix):list"), "30"], serverTimeout: .seconds(30))
            }
            try await RedisServer.until("a client blocks") {
                try await cluster.nodes[0].cli("INFO", "clients").contains("blocked_clients:1")
            }

            try await cluster.beginMove(slot: slot, from: 0, to: 1)
            try await cluster.moveKeys(slot: slot, from: 0, to: 1, only: "\(prefix):one")
            // One is on the new node, which has not seen the script; two is on the old one.
            #expect(try await redis.eval(get, keys: [one], arguments: []).text == "1")
            #expect(try await redis.command(["GET", two]).text == "2")
            #expect(try await redis.command(["SET", fresh, "3"]) == .status("OK"))
            #expect(try await cluster.nodes[1].cli("CLUSTER", "COUNTKEYSINSLOT", "\(slot)") == "2")
            #expect(try await cluster.refusals("ASK", by: 0) > 0)
            let both = Task { try await redis.command(["MGET", one, two], deadline: .seconds(300)) }
            try await RedisServer.until("a command is told to try again") {
                try await cluster.refusals("TRYAGAIN", by: 1) + cluster.refusals("TRYAGAIN", by: 0) > 2
            }
            try await RedisServer.until("a command is given up, and says why") {
                let late = await redisError {
                    _ = try await redis.command(["MGET", one, two], deadline: .milliseconds(300))
                }
                #expect(late?.code == .timeout)
                return late?.message.contains("not executed: Redis refused the command: TRYAGAIN") == true
            }
            try await cluster.moveKeys(slot: slot, from: 0, to: 1)
            #expect(try await both.value.array?.map(\.text) == ["1", "2"])

            try await cluster.endMove(slot: slot, to: 1)
            #expect(try await redis.eval(get, keys: [two], arguments: []).text == "2")
            #expect(try await cluster.refusals("MOVED", by: 0) > 0)
            #expect(
                try await redis.command(["RPUSH", RedisArgument("\(prefix):list"), "x"]).int == 1)
            #expect(try await blocked.value.array?.last?.text == "x")
        }
    }

    @Test func `is asked for the owner of the keys, wherever the URL points`() async throws {
        let cluster = try await RedisClusterSetup.start()
        let (prefix, _) = try await cluster.makePrefix()
        let gone = try RedisServer.freePort()
        let url = cluster.url(seeds: [3]).replacingOccurrences(of: "//", with: "//127.0.0.1:\(gone),")
        try await withRedis(url, configure: { $0.slotKey = prefix }) { redis in
            // Commands without keys see the owner, too.
            let settings = try await redis.command(["CONFIG", "GET", "port"], deadline: .seconds(60)).array
            #expect(settings?.last?.int == Int64(cluster.ports[0]))
            #expect(try await redis.command(["SET", RedisArgument(prefix), "x"]) == .status("OK"))
        }
        #expect(try await cluster.refusals("MOVED") == [0, 0, 0])
        #expect(try await cluster.refusals("MOVED", by: 3) == 0)
    }

    @Test func `is found over TLS`() async throws {
        let (port, bus) = (try RedisServer.freePort(), try RedisServer.freePort())
        let certificates = try Certificates()
        let node = try await RedisServer(
            arguments: certificates.arguments(port: port) + [
                "--cluster-enabled", "yes", "--cluster-port", "\(bus)", "--tls-cluster", "yes",
            ])
        _ = try await node.cli("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        let url = "rediss+cluster://127.0.0.1:\(port)?ca_file=\(certificates.certificate)"
        try await withRedis(url, configure: { $0.slotKey = "{tag}" }) { redis in
            // The cluster takes a moment to be up; commands wait for that.
            let reply = try await redis.command(["SET", "{tag}", "sealed"], deadline: .seconds(60))
            #expect(reply == .status("OK"))
        }
    }

    @Test(arguments: [true, false])
    func `goes on with the replica when the owner of the keys dies`(knowsSlot: Bool) async throws {
        let cluster = try await RedisClusterSetup.start(nodeTimeout: .seconds(1))
        let (prefix, _) = try await cluster.makePrefix()
        let key = RedisArgument("\(prefix):count")
        let script = RedisScript(Array("return redis.call('INCR', KEYS[1])".utf8))
        try await withRedis(cluster.url(), configure: { $0.slotKey = knowsSlot ? prefix : nil }) { redis in
            #expect(try await redis.eval(script, keys: [key], arguments: []).int == 1)
            #expect(try await redis.command(["WAIT", "1", "20000"]).int == 1)
            let blocked = Task {
                try await redis.blocking(
                    ["BLPOP", RedisArgument("\(prefix):list"), "60"], serverTimeout: .seconds(60))
            }
            try await RedisServer.until("a client blocks") {
                try await cluster.nodes[0].cli("INFO", "clients").contains("blocked_clients:1")
            }
            cluster.nodes[0].kill()
            #expect(await redisError { _ = try await blocked.value }?.code == .connectionLost)

            var value: RedisValue?
            try await RedisServer.until("a script runs") {
                do {
                    value = try await redis.eval(
                        script, keys: [key], arguments: [], deadline: .seconds(90))
                    return true
                } catch let error as RedisError where error.code == .connectionLost {
                    // It went to the dead one, before the shared connection noticed.
                    return false
                }
            }
            #expect(value?.int == 2)
            #expect(try await cluster.nodes[3].cli("INFO", "replication").contains("role:master"))
            let waiting = Task {
                try await redis.blocking(
                    ["BLPOP", RedisArgument("\(prefix):list"), "30"], serverTimeout: .seconds(30))
            }
            #expect(
                try await redis.command(
                    ["RPUSH", RedisArgument("\(prefix):list"), "x"], deadline: .seconds(30)
                ).int == 1)
            #expect(try await waiting.value.array?.last?.text == "x")
        }
    }
}
