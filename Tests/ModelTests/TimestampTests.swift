// SPDX-License-Identifier: Apache-2.0

import Model
import Testing

@Suite struct `An instant out of range` {
    @Test(arguments: [Int64.min, .min + 1, -9_223_372_036_855, 9_223_372_036_855, .max - 1, .max])
    func `is the first or the last that there is`(value: Int64) {
        let end = Timestamp(microseconds: value < 0 ? .min : .max)

        #expect(Timestamp(seconds: value) == end)
        #expect(Timestamp(milliseconds: value < 0 ? .min : .max) == end)
        #expect(end.advanced(by: .seconds(value)) == end)
        #expect(end.advanced(by: .microseconds(value)) == end)
        #expect(Duration.seconds(value).wholeMicroseconds == end.microseconds)
    }

    @Test func `keeps its exactness where there is room`() {
        #expect(Timestamp(seconds: -9_223_372_036_854).microseconds == -9_223_372_036_854_000_000)
        #expect(Timestamp(milliseconds: 9_223_372_036_854_775).microseconds == 9_223_372_036_854_775_000)
        #expect(Duration.microseconds(Int64.min).wholeMicroseconds == .min)
        #expect(Duration.microseconds(Int64.max).wholeMicroseconds == .max)
        #expect(Duration.nanoseconds(-1_500).wholeMicroseconds == -1)
    }

    @Test func `can be written`() throws {
        let pattern = try #require(DatePattern("%Y-%m-%d %H:%M", offsetMinutes: 120))
        for instant in [Timestamp(microseconds: .min), Timestamp(microseconds: .max)] {
            #expect(instant.rfc3339.hasSuffix("Z"))
            #expect(!pattern.text(instant).isEmpty)
        }
    }

    @Test(
        arguments: [
            (Double.nan, 0), (.infinity, .max), (-.infinity, .min), (1e300, .max), (-1e300, .min),
            (9_223_372_036_854_775_808, .max), (1.9, 1), (-1.9, -1),
        ] as [(Double, Int64)])
    func `of a fraction is cut to whole numbers`(value: Double, expected: Int64) {
        #expect(Int64(saturating: value) == expected)
    }
}
