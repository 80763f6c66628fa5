// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// The commands of one connection between their submission and their reply, in order.
///
/// A value without effects: the link performs what it answers. A command is first waiting (its bytes are in
/// `unsent`), then sent. Whoever takes a waiter out resumes it, exactly once. A command whose waiter has gone
/// keeps its place, as its reply still comes.
struct CommandPipeline<Waiter: Sendable>: Sendable {
    private struct Entry: Sendable {
        var waiter: Waiter?
        let deadline: NIODeadline
        var length: Int
        /// Given up before it was sent: it has no bytes and gets no reply.
        var isSkipped = false
    }

    /// How many commands, and bytes of commands, may be without a reply.
    struct Limits: Sendable {
        var commands: Int
        var bytes: Int
    }

    /// What a deadline check found.
    struct Expiry: Sendable {
        var timedOut: [Waiter] = []
        /// Replies are due and nothing has arrived for too long.
        var isStalled = false
        /// When to check again; nil when nothing waits.
        var next: NIODeadline?
    }

    private let limits: Limits
    /// How long replies may stay away before the connection counts as dead; nil for blocking commands.
    private let stallTimeout: TimeAmount?
    private var entries = CircularBuffer<Entry>()
    /// The number of the first entry; numbers are consecutive.
    private var firstNumber: UInt64 = 1
    private var sentCount = 0
    /// The sent commands whose reply is due.
    private var dueReplies = 0
    private var unsent = ByteBuffer()
    private var skippedBytes = 0
    private var pendingBytes = 0
    private var lastProgress = NIODeadline.uptimeNanoseconds(0)

    init(limits: Limits, stallTimeout: TimeAmount?) {
        self.limits = limits
        self.stallTimeout = stallTimeout
    }

    /// Whether a command is without its reply.
    var isEmpty: Bool { entries.isEmpty }

    /// Whether there is something to write.
    var hasUnsent: Bool { sentCount < entries.count }

    /// Whether the server owes replies.
    var awaitsReplies: Bool { dueReplies > 0 }

    /// Takes a command in and returns its number; nil when too much is pending.
    mutating func submit(_ command: EncodedCommand, deadline: NIODeadline, waiter: Waiter) -> UInt64? {
        guard entries.count < limits.commands, pendingBytes < limits.bytes else { return nil }
        let length = unsent.writeBytes(command.bytes)
        pendingBytes += length
        entries.append(Entry(waiter: waiter, deadline: deadline, length: length))
        return firstNumber + UInt64(entries.count - 1)
    }

    /// The bytes of all waiting commands, which count as sent from now on; nil when there are none.
    mutating func takeUnsent(now: NIODeadline) -> ByteBuffer? {
        guard hasUnsent else { return nil }
        if skippedBytes > 0 { removeSkippedBytes() }
        if dueReplies == 0 { lastProgress = now }
        for index in sentCount..<entries.count where !entries[offset: index].isSkipped { dueReplies += 1 }
        sentCount = entries.count
        let batch = unsent
        unsent = ByteBuffer()
        return batch.readableBytes > 0 ? batch : nil
    }

    /// Accounts for one reply. Returns false when no command was waiting for one; `waiter` is nil when the
    /// command was given up.
    mutating func reply(now: NIODeadline, waiter: inout Waiter?) -> Bool {
        lastProgress = now
        while sentCount > 0, let entry = entries.popFirst() {
            firstNumber += 1
            sentCount -= 1
            if entry.isSkipped { continue }
            dueReplies -= 1
            pendingBytes -= entry.length
            waiter = entry.waiter
            return true
        }
        return false
    }

    /// Gives up one command, if its waiter is still there.
    mutating func abandon(_ number: UInt64) -> Waiter? {
        guard number >= firstNumber, number - firstNumber < UInt64(entries.count) else { return nil }
        return giveUp(Int(number - firstNumber))
    }

    /// Gives up what is past its deadline, and says when to look again.
    mutating func expire(now: NIODeadline) -> Expiry {
        var expiry = Expiry()
        for index in 0..<entries.count {
            let entry = entries[offset: index]
            guard entry.waiter != nil else { continue }
            if entry.deadline <= now {
                if let waiter = giveUp(index) { expiry.timedOut.append(waiter) }
            } else {
                expiry.next = min(expiry.next ?? entry.deadline, entry.deadline)
            }
        }
        if dueReplies > 0, let stallTimeout {
            let limit = lastProgress + stallTimeout
            expiry.isStalled = limit <= now
            if !expiry.isStalled { expiry.next = min(expiry.next ?? limit, limit) }
        }
        dropSkipped()
        return expiry
    }

    /// The connection is gone: the waiters of sent commands, whose outcome is unknown. Waiting commands stay.
    mutating func connectionLost() -> [Waiter] {
        let lost = entries.prefix(sentCount).compactMap(\.waiter)
        for _ in 0..<sentCount {
            guard let entry = entries.popFirst() else { break }
            firstNumber += 1
            if !entry.isSkipped { pendingBytes -= entry.length }
        }
        (sentCount, dueReplies) = (0, 0)
        return lost
    }

    /// All waiters, when the client closes.
    mutating func removeAll() -> [Waiter] {
        let all = entries.compactMap(\.waiter)
        firstNumber += UInt64(entries.count)
        entries.removeAll()
        (sentCount, dueReplies, pendingBytes, skippedBytes, unsent) = (0, 0, 0, 0, ByteBuffer())
        return all
    }

    private mutating func giveUp(_ index: Int) -> Waiter? {
        guard let waiter = entries[offset: index].waiter else { return nil }
        entries[offset: index].waiter = nil
        if index >= sentCount {
            entries[offset: index].isSkipped = true
            skippedBytes += entries[offset: index].length
            pendingBytes -= entries[offset: index].length
        }
        return waiter
    }

    /// While there is no connection, given-up commands must not pile up.
    private mutating func dropSkipped() {
        if skippedBytes > unsent.readableBytes / 2 { removeSkippedBytes() }
        while sentCount == 0, let first = entries.first, first.isSkipped, first.length == 0 {
            entries.removeFirst()
            firstNumber += 1
        }
    }

    private mutating func removeSkippedBytes() {
        var kept = ByteBuffer()
        var offset = unsent.readerIndex
        for index in sentCount..<entries.count {
            let length = entries[offset: index].length
            if entries[offset: index].isSkipped {
                entries[offset: index].length = 0
            } else if let slice = unsent.getSlice(at: offset, length: length) {
                kept.writeImmutableBuffer(slice)
            }
            offset += length
        }
        unsent = kept
        skippedBytes = 0
    }
}
