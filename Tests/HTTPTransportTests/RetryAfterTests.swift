// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import Model
import Testing

@Suite struct `Retry-After` {
    private static func wait(_ value: String, date: String? = "Sun, 06 Nov 1994 08:49:37 GMT") -> Duration? {
        RetryAfter.wait(
            in: HTTPHeaders([("Retry-After", value)] + (date.map { [("Date", $0)] } ?? [])))
    }

    @Test(
        arguments: [
            ("3", Duration.seconds(3)), ("0", .seconds(1)), ("1.2", .seconds(2)), ("90", .seconds(90)),
            ("99999", .seconds(3_600)), ("-5", .seconds(1)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", .seconds(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", .seconds(1)), ("soon", nil), ("", nil),
        ] as [(String, Duration?)])
    func `is seconds or a date, between a second and an hour`(value: String, expected: Duration?) {
        #expect(Self.wait(value) == expected)
    }

    /// Each of these stopped a worker once, or was read as something that nobody means.
    @Test(
        arguments: [
            ("-9999999999999999999", .seconds(1)), ("9999999999999999999", .seconds(3_600)),
            ("9223372036854775807", .seconds(3_600)), ("-9223372036854775808", .seconds(1)),
            ("9223372036854775808", .seconds(3_600)), ("-9223372036854775809.5", .seconds(1)),
            ("-0", .seconds(1)), (String(repeating: "9", count: 4_000), .seconds(3_600)),
            ("-" + String(repeating: "9", count: 400), .seconds(1)),
            ("-1e300", nil), ("1e300", nil), ("0x1p3", nil), ("inf", nil), ("-inf", nil), ("nan", nil),
            ("+5", nil), ("--5", nil), ("5-", nil), ("1.2.3", nil), (".", nil), ("-", nil), ("5 ", nil),
            ("Fri, 31 Dec 9999 23:59:59 GMT", .seconds(3_600)), ("Fri, 31 Dec 99999 23:59:59 GMT", nil),
            ("Thu, 01 Jan 1970 00:00:00 GMT", .seconds(1)),
            ("Sun, 06 Nov 1994 99999999999999999999:49:37 GMT", nil),
        ] as [(String, Duration?)])
    func `has no value that harms the reader`(value: String, expected: Duration?) {
        #expect(Self.wait(value) == expected)
    }

    @Test func `that is a date says nothing without the provider's own date`() {
        #expect(Self.wait("Sun, 06 Nov 1994 08:50:07 GMT", date: nil) == nil)
        #expect(Self.wait("Sun, 06 Nov 1994 08:50:07 GMT", date: "today") == nil)
        #expect(Self.wait("30", date: nil) == .seconds(30))
    }

    @Test func `of an impossible date says nothing`() {
        #expect(HTTPDate.parse("Sun, 31 Feb 2026 00:00:00 GMT") == nil)
        #expect(HTTPDate.parse("Sun, 06 Nov 1994 08:49:37 GMT") == Timestamp(seconds: 784_111_777))
    }
}
