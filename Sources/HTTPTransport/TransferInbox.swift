// SPDX-License-Identifier: Apache-2.0

/// A request on its way to the loop, with the task that waits for it.
struct Submission: Sendable {
    let id: UInt64
    let request: PreparedRequest
    let continuation: CheckedContinuation<Result<HTTPResponse, HTTPError>, Never>
}

/// What the tasks want of the loop's thread, in order.
struct TransferInbox {
    enum Command {
        case start(Submission)
        case cancel(UInt64)
    }

    enum State {
        case open
        /// The thread ends as soon as it sees this.
        case closing
        case closed
    }

    private(set) var state = State.open
    private var commands: [Command] = []
    /// Requests that were accepted and have no outcome yet.
    private var pending = 0
    private var nextID: UInt64 = 0
    /// Those who wait until the thread has ended.
    private var closers: [CheckedContinuation<Void, Never>] = []

    mutating func makeID() -> UInt64 {
        nextID += 1
        return nextID
    }

    /// Accepts a request; true when the thread has to be woken.
    mutating func submit(_ submission: Submission, limit: Int) throws(HTTPError) -> Bool {
        guard state == .open else { throw HTTPError(.closed, "the HTTP client is closed") }
        guard pending < limit else {
            throw HTTPError(.overloaded, "\(pending) HTTP requests are under way, which is the limit")
        }
        pending += 1
        return add(.start(submission))
    }

    /// Asks to give up a request; true when the thread has to be woken. For a request that has ended nothing
    /// happens.
    mutating func cancel(_ id: UInt64) -> Bool {
        state == .open && add(.cancel(id))
    }

    /// Takes all commands.
    mutating func take() -> [Command] {
        defer { commands.removeAll() }
        return commands
    }

    /// Notes that this many requests have their outcomes.
    mutating func settle(_ count: Int) {
        pending -= count
    }

    mutating func beginClosing() {
        if state == .open { state = .closing }
    }

    /// Asks to be resumed when the thread has ended; false when it has already.
    mutating func wait(_ closer: CheckedContinuation<Void, Never>) -> Bool {
        guard state != .closed else { return false }
        closers.append(closer)
        return true
    }

    /// Notes that the thread ends, and gives those who wait for that.
    mutating func finishClosing() -> [CheckedContinuation<Void, Never>] {
        state = .closed
        defer { closers.removeAll() }
        return closers
    }

    private mutating func add(_ command: Command) -> Bool {
        commands.append(command)
        return commands.count == 1
    }
}
