// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The number of a submitted command, by which a cancellation finds it. Zero until it is submitted, so that a
/// cancellation that comes first hits nothing.
final class CommandTicket: Sendable {
    private let value = Atomic<UInt64>(0)

    var number: UInt64 {
        get { value.load(ordering: .acquiring) }
        set { value.store(newValue, ordering: .releasing) }
    }
}
