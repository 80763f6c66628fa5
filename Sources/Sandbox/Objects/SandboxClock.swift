// SPDX-License-Identifier: Apache-2.0

/// The time inside the data: it moves with the changes, so that runs are reproducible.
struct SandboxClock: Sendable, Equatable {
    /// Changes that share one second.
    var changesPerSecond = 1
    /// Objects of the start that share one second, as happens in life.
    var objectsPerSecond = 3

    /// When a change was made, in seconds since 1970.
    func time(ofChange number: Int) -> Int64 { Collection.epoch + Int64(number / changesPerSecond) }

    /// When an object of the start was made; never falls with the number.
    func time(ofObject index: Int, of count: Int) -> Int64 {
        Collection.epoch - Int64((count - index + objectsPerSecond - 1) / objectsPerSecond) * 61
    }
}
