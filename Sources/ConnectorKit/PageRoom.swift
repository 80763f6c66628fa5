// SPDX-License-Identifier: Apache-2.0

import Model

/// What one run holds of its worker's `PageMemory`. A run asks for one page at a time.
public final class PageRoom: Sendable {
    private let memory: PageMemory
    private let integrationID: Int64
    private let held = LockedBox(PageMemory.Size.ordinary)

    private let longestWait: Duration

    /// The room of a run of this integration; nothing is held yet. `longestWait` is how long it waits for more before it gives
    /// its slot back: other accounts have work for it.
    public init(_ memory: PageMemory, integrationID: Int64, longestWait: Duration = .seconds(10)) {
        self.memory = memory
        self.integrationID = integrationID
        self.longestWait = longestWait
    }

    deinit {
        leave()
    }

    /// Whether the last page was larger than an ordinary one, so that others may wait until it is written.
    public var isHeld: Bool { held.withLock { $0 != .ordinary } }

    /// Makes room for an answer as large as the endpoint's last one was, or larger than the room that was too small. Throws
    /// class `rate_limited` when other runs keep the memory for too long.
    @discardableResult
    public func enter(
        _ endpoint: String, largerThan small: PageMemory.Size? = nil
    ) async throws(ConnectorError) -> PageMemory.Size {
        let wanted = small.map { $0.next ?? $0 } ?? memory.expectedSize(integrationID, endpoint)
        // Known also when there is no room now: the next request is not sent in vain.
        if small != nil { memory.note(wanted, integrationID, endpoint) }
        if held.withLock({ $0 == wanted }) { return wanted }
        // First given back, then taken: nobody who holds room waits for more.
        leave()
        guard await memory.take(wanted, within: longestWait) else {
            throw ConnectorError(
                .rateLimited, code: "page_memory", userMessage: "The sync continues in a moment.",
                operatorDetail:
                    "a page of \(endpoint) has more than \(PageMemory.Size.ordinary.bytes >> 20) MiB, and large pages of "
                    + "other runs take the worker's memory",
                retryAfter: longestWait)
        }
        held.withLock { $0 = wanted }
        return wanted
    }

    /// Remembers how large an answer was, for the next request.
    public func note(_ bytes: Int, _ endpoint: String) {
        memory.note(PageMemory.Size(bytes: bytes), integrationID, endpoint)
    }

    /// Gives back what is held; what it was held for is written, or given up.
    public func leave() {
        let size = held.withLock { held in
            defer { held = .ordinary }
            return held
        }
        if size != .ordinary { memory.give(size) }
    }
}
