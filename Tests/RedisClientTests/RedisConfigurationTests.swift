// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient
import Testing

@Suite struct `A Redis URL` {
    @Test func `names host, port, database and credentials`() throws {
        let plain = try RedisConfiguration(url: "redis://cache.example")
        #expect(plain.address == .host("cache.example", port: 6_379))
        #expect(plain.password == nil && plain.database == 0 && !plain.usesTLS)

        let full = try RedisConfiguration(url: "rediss://app:p%40ss%3A@[::1]:7000/3?ca_file=/etc/ca.pem")
        #expect(full.address == .host("::1", port: 7_000))
        #expect(full.user == "app")
        #expect(full.password?.exposed == "p@ss:")
        #expect(full.database == 3 && full.usesTLS && full.trustRootsFile == "/etc/ca.pem")

        #expect(try RedisConfiguration(url: "redis://:secret@h").user == nil)
    }

    @Test func `names a socket`() throws {
        let socket = try RedisConfiguration(url: "unix://:pw@/run/redis.sock?db=2")
        #expect(socket.address == .unixSocket(path: "/run/redis.sock"))
        #expect(socket.database == 2 && socket.password?.exposed == "pw")
    }

    @Test(arguments: [
        "", "localhost:6379", "http://h", "redis://", "redis://:0", "redis://h:0", "redis://h:70000",
        "redis://h:x",
        "redis://h/x", "redis://h/1/2", "redis://h?nope=1", "redis://h%zz", "redis://h%00", "redis://user@h",
        "redis://a b", "redis://:secret@h:x", "redis://[::1", "redis://[::1]x", "unix://", "unix://host/path",
        "unix:///",
    ])
    func `that is wrong is refused without being quoted`(url: String) {
        do {
            _ = try RedisConfiguration(url: url)
            Issue.record("accepted")
        } catch {
            #expect(error.code == .invalidURL)
            #expect(!error.message.contains("secret"))
        }
    }
}
