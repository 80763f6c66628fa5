// SPDX-License-Identifier: Apache-2.0

public import Model
public import PageScanner

/// A provider's own mark of how far a stream has been read.
public struct Cursor: Sendable, Hashable {
    /// The value as the provider writes it; it goes back into the next request unchanged.
    public let text: String
    /// What cursors are compared by, where they can be compared: microseconds for times, the number for
    /// sequences; nil for opaque tokens, where the latest one wins.
    public let order: Int64?

    /// `order` compares cursors; nil for one that only its provider can compare.
    public init(text: String, order: Int64?) {
        self.text = text
        self.order = order
    }
}

/// Where an enumeration goes on: opaque text that the strategy that made it can read, in this process or another.
public struct PagePosition: Sendable, Hashable {
    /// What the strategy that gave it understands; opaque to everybody else.
    public let text: String

    /// A position as a strategy wrote it, or as it was stored.
    public init(text: String) {
        self.text = text
    }
}

/// Why an enumeration is over. A run is complete only when one of these was seen: a body that merely stopped,
/// or a short page, proves nothing unless the manifest says so.
public enum TerminalCondition: String, Sendable, CaseIterable {
    case nextTokenAbsent = "next_token_absent"
    case nextLinkAbsent = "next_link_absent"
    case hasMoreFalse = "has_more_false"
    case emptyPage = "empty_page"
    case shortPage = "short_page"
    case totalReached = "total_reached"
    case endFlag = "end_flag"
    case singlePage = "single_page"
    case reachedCursor = "reached_cursor"
    case notModified = "not_modified"
    case parentGone = "parent_gone"
}

/// What follows a page.
public enum PageContinuation: Sendable, Hashable {
    case next(PagePosition)
    case end(TerminalCondition)
}

/// One response, scanned: records as slices of the body, and where to go from here.
public struct Page: Sendable {
    /// The body with the places of its records.
    public let scanned: ScannedPage
    /// Whether there is a next page, or why there is none.
    public let continuation: PageContinuation
    /// The cursor this page shows, if any. The engine decides when it becomes the stream's cursor.
    public let cursor: Cursor?
    /// How far in the order of cursors the page has come, also where the cursor is told with the last page alone. An enumeration
    /// whose pages come further is not one in circles, however empty they are.
    public var reached: Int64?
    /// What the page cost.
    public let cost: RequestCost
    /// The provider's own page, where the records were fetched one by one: what tells whether a list goes in circles. Nil
    /// where it is `scanned`, or came with a page before.
    public let listed: ScannedPage?
    /// The entries of `listed` of which nobody can tell what they name. They were not fetched.
    public var unnamed: [RejectedRecord]
    /// Whether the records are more of those that the provider's page before named. They are no page of its own.
    public var continuesListed = false
    /// On the last page of an enumeration that was narrowed to a stretch of time: that stretch, if the same reader has shown
    /// all of it. Nil for everything else.
    public var covered: TimeStretch?

    /// A page that a strategy has read and judged.
    public init(
        scanned: ScannedPage, continuation: PageContinuation, cursor: Cursor?, cost: RequestCost,
        listed: ScannedPage? = nil
    ) {
        self.listed = listed
        unnamed = listed?.rejected.filter { $0.askableID == nil } ?? []
        self.scanned = scanned
        self.continuation = continuation
        self.cursor = cursor
        reached = cursor?.order
        self.cost = cost
    }
}

/// A stretch of time, by the provider's clock.
public struct TimeStretch: Sendable, Hashable {
    /// From when, as the provider was asked.
    public let since: Timestamp
    /// Until when, as it was asked.
    public let until: Timestamp

    /// From one instant to another.
    public init(since: Timestamp, until: Timestamp) {
        self.since = since
        self.until = until
    }
}

/// What a page cost.
public struct RequestCost: Sendable, Equatable {
    /// Requests, repeated ones included.
    public var apiCalls: Int
    /// Bytes of the decoded bodies.
    public var bytes: Int
    /// How long limits made the requests wait.
    public var throttled: Duration

    /// `bytes` counts response bodies after decompression.
    public init(apiCalls: Int, bytes: Int, throttled: Duration = .zero) {
        self.apiCalls = apiCalls
        self.bytes = bytes
        self.throttled = throttled
    }

    /// Adds what another request cost.
    public static func += (left: inout RequestCost, right: RequestCost) {
        left.apiCalls += right.apiCalls
        left.bytes += right.bytes
        left.throttled += right.throttled
    }
}
