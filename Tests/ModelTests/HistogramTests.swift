// SPDX-License-Identifier: Apache-2.0

import Model
import Testing

@Suite struct `A histogram` {
    @Test func `puts a value into the range whose bound it does not pass`() {
        var histogram = Histogram(bounds: [1, 2])
        for value in [0, 1, 1.5, 2, 2.1, 1e9] { histogram.observe(value) }
        #expect(histogram.counts == [2, 2, 2])
        #expect(histogram.count == 6)
        #expect(histogram.sum == 0 + 1 + 1.5 + 2 + 2.1 + 1e9)
    }

    @Test func `leaves out what is no number, and takes a time before its start as none`() {
        var histogram = Histogram(bounds: [1])
        histogram.observe(Double.nan)
        histogram.observe(Double.infinity)
        #expect(histogram.count == 0 && histogram.sum == 0)
        histogram.observe(.seconds(-5))
        histogram.observe(.milliseconds(1_500))
        #expect(histogram.counts == [1, 1] && histogram.sum == 1.5)
    }
}
