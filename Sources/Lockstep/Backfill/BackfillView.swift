// SPDX-License-Identifier: Apache-2.0

import Model

/// How far a backfill is, in words: a bar for a terminal, a line for a log.
struct BackfillView {
    /// What was counted at one time.
    struct Reading: Equatable {
        var done = 0
        var running = 0
        var failed = 0
        var cancelled = 0
        /// There are more dead letters than were looked through.
        var isCut = false

        var ended: Int { done + failed + cancelled }
    }

    let total: Int
    private(set) var reading = Reading()
    private var first: (at: ContinuousClock.Instant, ended: Int)?
    private var now = ContinuousClock.now

    private static let width = 24

    init(total: Int) {
        self.total = total
    }

    mutating func note(_ reading: Reading, at now: ContinuousClock.Instant) {
        self.reading = reading
        self.now = now
        if first == nil { first = (now, reading.ended) }
    }

    var isOver: Bool { reading.ended >= total }
    var isComplete: Bool { isOver && reading.failed == 0 && reading.cancelled == 0 }
    var left: Int { max(0, total - reading.ended) }

    /// Jobs a second since the watch began; nil while it cannot tell.
    private var rate: Double? {
        guard let first, reading.ended > first.ended, now > first.at else { return nil }
        let seconds = Double((now - first.at).wholeMilliseconds) / 1_000
        return seconds > 0 ? Double(reading.ended - first.ended) / seconds : nil
    }

    var bar: String {
        let filled = total == 0 ? 0 : min(Self.width, reading.ended * Self.width / total)
        return "[" + String(repeating: "#", count: filled)
            + String(repeating: ".", count: Self.width - filled) + "] " + line
    }

    var line: String {
        var text = "\(reading.done) of \(total) jobs done, \(reading.running) running"
        if reading.failed > 0 { text += ", \(reading.failed)\(reading.isCut ? " or more" : "") failed" }
        if reading.cancelled > 0 { text += ", \(reading.cancelled) cancelled" }
        guard let rate else { return text }
        let tenths = Int((rate * 10).rounded())
        return text + ", \(tenths / 10).\(tenths % 10)/s, about \(Self.time(Double(left) / rate)) left"
    }

    var summary: String {
        var text = "\(reading.done) of \(total) jobs done"
        if reading.failed > 0 {
            text +=
                ", \(reading.failed) failed; see 'lockstep dead list' and 'lockstep queue explain --job ID'"
        }
        if reading.cancelled > 0 { text += ", \(reading.cancelled) cancelled" }
        return text
    }

    private static func time(_ seconds: Double) -> String {
        let whole = Int(min(seconds, 1e9).rounded(.up))
        if whole < 120 { return "\(whole) s" }
        if whole < 7_200 { return "\(whole / 60) min" }
        return "\(whole / 3_600) h"
    }
}
