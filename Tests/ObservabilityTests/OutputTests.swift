// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import Model
import Testing

@testable import Observability

@Suite struct `A log line` {
    private static let time = Timestamp(microseconds: 1_767_323_045_678_912)

    private static func line(_ format: LogFormat, _ message: String, _ metadata: Logger.Metadata) -> String {
        String(
            decoding: LineLogHandler.line(
                format, time: time, level: .warning, message: message, metadata: metadata), as: UTF8.self)
    }

    @Test func `as text has time, level, message and metadata in order`() {
        let line = Self.line(.text, "run failed", ["run": "7", "detail": "a \"b\"\nc", "code": ""])

        #expect(
            line
                == "2026-01-02T03:04:05.678000Z warning run failed code=\"\" detail=\"a \\\"b\\\"\\nc\" run=7\n"
        )
    }

    @Test func `as JSON is one object on one line`() throws {
        let line = Self.line(.json, "x\ny", ["key": "\u{1}\\"])

        let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String]
        #expect(
            object == [
                "time": "2026-01-02T03:04:05.678000Z", "level": "warning", "message": "x\ny",
                "key": "\u{1}\\",
            ])
        #expect(line.filter(\.isNewline).count == 1)
    }
}

@Suite struct `Metrics` {
    @Test func `have a help, a type and a value for each set of labels`() {
        let metrics = MetricsText([
            Metric("jobs_total", .counter, "Jobs.", 3),
            Metric(
                "wait", .gauge, "Waits\nlong, \\ too.",
                [.init(["queue": "a\"b", "at": "c\\d\r\ne"], .number(0.5))]),
        ])

        #expect(
            metrics.text == """
                # HELP jobs_total Jobs.
                # TYPE jobs_total counter
                jobs_total 3
                # HELP wait Waits\\nlong, \\\\ too.
                # TYPE wait gauge
                wait{at="c\\\\d\r\\ne",queue="a\\"b"} 0.5

                """)
    }

    @Test func `show a histogram as buckets that count up, a sum and a count`() {
        var histogram = Histogram(bounds: [0.1, 1])
        for value in [0.05, 0.1, 0.5, 7] { histogram.observe(value) }
        let text = MetricsText([
            Metric("wait_seconds", .histogram, "Waits.", [.init(["queue": "low"], .histogram(histogram))])
        ]).text
        #expect(
            text == """
                # HELP wait_seconds Waits.
                # TYPE wait_seconds histogram
                wait_seconds_bucket{le="0.1",queue="low"} 2
                wait_seconds_bucket{le="1",queue="low"} 3
                wait_seconds_bucket{le="+Inf",queue="low"} 4
                wait_seconds_sum{queue="low"} 7.65
                wait_seconds_count{queue="low"} 4

                """)
    }
}
