// SPDX-License-Identifier: Apache-2.0

import Model
import Testing

@Suite struct `A date pattern` {
    @Test(arguments: [
        ("%Y-%m-%d %H:%M:%S", 0, "2026-02-03 04:05:06", "2026-02-03T04:05:06Z"),
        ("%Y-%m-%d %H:%M", 120, "2026-02-03 01:05", "2026-02-02T23:05:00Z"),
        ("%d.%m.%Y", 0, "29.02.2024", "2024-02-29T00:00:00Z"),
        ("%Y%m%dT%H%M%S.%f%%", 0, "20260203T040506.250000%", "2026-02-03T04:05:06.250000Z"),
    ])
    func `reads and writes instants`(pattern: String, offset: Int, text: String, instant: String) throws {
        let pattern = try #require(DatePattern(pattern, offsetMinutes: offset))
        let expected = try #require(Timestamp(rfc3339: instant))
        #expect(pattern.timestamp(text) == expected)
        #expect(pattern.text(expected) == text)
    }

    @Test func `reads zones`() throws {
        let pattern = try #require(DatePattern("%Y-%m-%dT%H:%M:%S.%f%z"))
        let expected = Timestamp(rfc3339: "2026-01-01T10:00:00.123Z")
        for text in [
            "2026-01-01T10:00:00.123Z", "2026-01-01T12:00:00.123+0200", "2026-01-01T08:30:00.123-01:30",
        ] {
            #expect(pattern.timestamp(text) == expected)
        }
        #expect(pattern.text(Timestamp(seconds: 0)) == "1970-01-01T00:00:00.000000+00:00")
    }

    @Test(arguments: [
        "2026-02-30 00:00:00", "2026-02-03 24:00:00", "2026-02-03 04:05", "2026-02-03 04:05:06Z", "x", "",
    ])
    func `reads no other text`(text: String) throws {
        #expect(try #require(DatePattern("%Y-%m-%d %H:%M:%S")).timestamp(text) == nil)
    }

    @Test(arguments: ["%Y-%m", "%Y-%m-%d %Y", "%Y-%m-%d %q", "%Y-%m-%d %"])
    func `has year, month and day, each once, and known directives`(text: String) {
        #expect(DatePattern(text) == nil)
    }
}
