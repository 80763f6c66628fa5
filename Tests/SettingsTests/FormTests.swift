// SPDX-License-Identifier: Apache-2.0

import Model
import Settings
import Testing

@Suite struct `The forms of settings` {
    @Test(arguments: [
        ("500ms", Duration.milliseconds(500)), ("30s", .seconds(30)), ("5m", .seconds(300)), ("0s", .zero),
        ("2h", .seconds(7_200)), ("1d", .seconds(86_400)), ("1500ms", .milliseconds(1_500)),
    ])
    func `of durations are read and written`(_ text: String, _ duration: Duration) {
        #expect(Duration(settingText: text) == duration)
        #expect(duration.settingText == text)
    }

    @Test(arguments: [
        "", "s", "30", "30 s", "-1s", "+1s", "1.5s", "1m30s", "1S", "1e3s", "9999999999s", "٣s", "1w", "1s\n",
    ])
    func `of durations are strict`(_ text: String) {
        #expect(Duration(settingText: text) == nil)
    }

    @Test(arguments: [
        ("0.0.0.0:8080", "0.0.0.0", 8_080), ("localhost:1", "localhost", 1), ("[::]:443", "::", 443),
        ("[fe80::1]:65535", "fe80::1", 65_535),
    ])
    func `of addresses are read and written`(_ text: String, _ host: String, _ port: Int) throws {
        let address = try #require(ListenAddress(text))

        #expect(address == ListenAddress(host: host, port: port))
        #expect(address.description == text)
    }

    @Test(arguments: [":80", "a", "a:", "a:b", "a:-1", "[::1]", "[x]:1", "a b:1", "http://a:1", "a:1:2"])
    func `of addresses are strict`(_ text: String) {
        #expect(ListenAddress(text) == nil)
    }

    @Test(arguments: [
        ("postgres://u:p@h/db", "postgres://u:***@h/db"),
        ("postgres://u@h/db", "postgres://u@h/db"),
        (
            "postgresql:///db?host=/tmp&password=p&sslmode=require",
            "postgresql:///db?host=/tmp&password=***&sslmode=require"
        ),
        ("postgres://u:p/w?x#@y@h/db", "postgres://u:***@h/db"),
        ("postgres://h/db?password=a@b", "postgres://***@b"),
        ("postgres://h/db?options=-c%20x", "postgres://h/db?options=***"),
        ("redis://:p@h:1/0", "redis://:***@h:1/0"),
        ("redis://p@h", "redis://***@h"),
        ("REDISS://u:p:q@h", "rediss://u:***@h"),
        ("unix://:p@/run/redis.sock?db=1", "unix://:***@/run/redis.sock?db=1"),
        ("redis://h", "redis://h"),
    ])
    func `of URLs are shown without secrets`(_ text: String, _ shown: String) throws {
        var environment = Environment(["URL": text])

        let url = environment.url(
            "URL", schemes: ["postgres", "postgresql", "redis", "rediss", "unix"], allowed: "any")

        #expect(url?.redacted == shown)
        #expect(url?.secret.exposed == text)
        #expect("\(try #require(url))" == shown)
        #expect(environment.effective.map(\.value) == [shown])
    }

    @Test(
        arguments: [
            ("LOCKSTEP_LEAES", "LOCKSTEP_LEASE"), ("LOCKSTEP_KEY", "LOCKSTEP_KEYS"), ("LEASE", nil),
            ("", nil),
            (String(repeating: "x", count: 70), nil),
        ] as [(String, String?)])
    func `of names are guessed when they are near`(_ typed: String, _ meant: String?) {
        let names = ["LOCKSTEP_KEYS", "LOCKSTEP_LEASE", "LOCKSTEP_LISTEN"]

        #expect(Suggestion.closest(to: typed, among: names) == meant)
    }

    @Test func `of a process are read with the same rules`() throws {
        var environment = Environment(["N": "7", "LOCKSTEP_X": "a, b", "D": "5m", "F": "off"])

        let number = environment.integer("N", default: 1, in: 0...9)
        let duration = environment.duration("D", default: .zero, in: .zero ... .seconds(600))
        let flag = environment.flag("F")
        let list = environment.list(
            "LOCKSTEP_X", separator: ",", default: [], allowed: "letters", show: { $0 }, parse: { $0 })
        let absent = environment.optional("ABSENT", allowed: "anything", show: { $0 }, parse: { $0 })

        #expect(number == 7)
        #expect(duration == .seconds(300))
        #expect(!flag)
        #expect(list == ["a", "b"])
        #expect(absent == nil)
        environment.refuseUnknown()
        try environment.finish()
        environment.report("N", "and D are both set", allowed: "one of them")
        #expect(throws: SettingsError.self) { try environment.finish() }
    }
}
