// SPDX-License-Identifier: Apache-2.0

import Model

/// What a long command says: on a terminal one line that moves, else a line for each step.
final class ProgressOutput: Sendable {
    let isTerminal = StandardOutput.isTerminal
    private let started = ContinuousClock.now
    private let hasOpenLine = LockedBox(false)

    /// A step that begins.
    func step(_ text: String) {
        closeLine()
        let elapsed = started.duration(to: .now)
        let tenths = elapsed.wholeMilliseconds / 100
        print("[\(tenths / 10).\(tenths % 10) s] \(text)")
        StandardOutput.flush()
    }

    /// How far a step is; shown on a terminal alone.
    func progress(_ text: String) {
        guard isTerminal else { return }
        print("\r\u{1B}[K  \(text)", terminator: "")
        hasOpenLine.withLock { $0 = true }
        StandardOutput.flush()
    }

    /// Text as it is.
    func show(_ text: String) {
        closeLine()
        print(text)
        StandardOutput.flush()
    }

    /// Ends the line that moves.
    func close() { closeLine() }

    private func closeLine() {
        let wasOpen = hasOpenLine.withLock { isOpen in
            defer { isOpen = false }
            return isOpen
        }
        if wasOpen { print("") }
    }
}
