// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient
import Testing

@Suite struct `A Redis URL` {
    @Test func `names host, port, database and credentials`() throws {
        let plain = try RedisConfiguration(url: "redis://cache.example")
        #expect(plain.topology == .single(.host("cache.example", port: 6_379)))
        #expect(plain.password == nil && plain.database == 0 && !plain.usesTLS)

        let full = try RedisConfiguration(url: "rediss://app:p%40ss%3A@[::1]:7000/3?ca_file=/etc/ca.pem")
        #expect(full.topology == .single(.host("::1", port: 7_000)))
        #expect(full.user == "app")
        #expect(full.password?.exposed == "p@ss:")
        #expect(full.database == 3 && full.usesTLS && full.trustRootsFile == "/etc/ca.pem")

        #expect(try RedisConfiguration(url: "redis://:secret@h").user == nil)
    }

    @Test func `names sentinels and their master`() throws {
        let plain = try RedisConfiguration(url: "redis+sentinel://u:pw@a:1,[::1],b/my%2Fmain/3")
        #expect(plain.user == "u" && plain.password?.exposed == "pw" && plain.database == 3)
        #expect(!plain.usesTLS && !plain.isLocal && plain.hasFailover)
        var sentinels = RedisConfiguration.Sentinels(
            addresses: [
                .host("a", port: 1), .host("::1", port: 26_379), .host("b", port: 26_379),
            ], master: "my/main")
        #expect(plain.topology == .sentinel(sentinels))

        let sealed = try RedisConfiguration(
            url: "rediss+sentinel://h/m?sentinel_user=s&sentinel_password=p%40&ca_file=/ca.pem")
        sentinels = .init(addresses: [.host("h", port: 26_379)], master: "m")
        (sentinels.user, sentinels.password, sentinels.usesTLS) = ("s", SecretString("p@"), true)
        #expect(sealed.topology == .sentinel(sentinels))
        #expect(sealed.usesTLS && sealed.trustRootsFile == "/ca.pem" && sealed.password == nil)

        let mixed = try RedisConfiguration(url: "rediss+sentinel://h/m?sentinel_tls=no")
        (sentinels.user, sentinels.password, sentinels.usesTLS) = (nil, nil, false)
        #expect(mixed.topology == .sentinel(sentinels))
        #expect(mixed.usesTLS)
    }

    @Test func `names nodes of a cluster`() throws {
        let cluster = try RedisConfiguration(
            url: "rediss+cluster://:pw@127.0.0.1:7000,b", keyPrefix: "{lockstep}")
        #expect(
            cluster.topology == .cluster(seeds: [.host("127.0.0.1", port: 7_000), .host("b", port: 6_379)]))
        #expect(cluster.password?.exposed == "pw" && cluster.usesTLS && cluster.slotKey == "{lockstep}")
        #expect(!cluster.isLocal && cluster.hasFailover)
    }

    @Test func `names a socket`() throws {
        let socket = try RedisConfiguration(url: "unix://:pw@/run/redis.sock?db=2")
        #expect(socket.topology == .single(.unixSocket(path: "/run/redis.sock")))
        #expect(socket.database == 2 && socket.password?.exposed == "pw")
    }

    @Test(arguments: [
        "", "localhost:6379", "http://h", "redis://", "redis://:0", "redis://h:0", "redis://h:70000",
        "redis://h:x",
        "redis://h/x", "redis://h/1/2", "redis://h?nope=1", "redis://h%zz", "redis://h%00", "redis://user@h",
        "redis://a b", "redis://:secret@h:x", "redis://[::1", "redis://[::1]x", "unix://", "unix://host/path",
        "unix:///", "redis+sentinel://h", "redis+sentinel://h/", "redis+sentinel://h//1",
        "redis+sentinel://a,,b/m", "redis+sentinel://a:x/m", "redis+sentinel://:secret@a/m/x",
        "redis+sentinel://h/m?sentinel_tls=1", "redis+sentinel://h/m?sentinel_port=1",
        "redis+cluster://", "redis+cluster://a,b:0", "redis+cluster://a/1", "redis+cluster://a?db=1",
        "redis+cluster://:secret@a/m", "redis://a,b", "redis://h?sentinel_user=u", "unix+sentinel:///s",
    ])
    func `that is wrong is refused without being quoted`(url: String) {
        do {
            _ = try RedisConfiguration(url: url)
            Issue.record("accepted")
        } catch {
            #expect(error.code == .invalidURL)
            #expect(!error.message.contains("secret"))
            #expect(error.message.contains("allowed: ") || error.message.contains("must "))
        }
    }
}
