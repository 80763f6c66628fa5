// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Model
import PageScanner

/// A connector as its manifest describes it, checked.
struct Manifest: Sendable {
    let service: String
    /// The name that people know the service by.
    let title: String
    /// Scheme, host and an optional path prefix, without a slash at the end. Its places are parts of the host's name or of
    /// the path.
    let baseURL: Template
    let auth: Authentication?
    let headers: [(name: String, value: Template)]
    /// What integrations may set, and what counts where they do not.
    var settings: [String: ConfigSetting] = [:]
    let errors: [ErrorRule]
    /// The response header that names the request, for the provider's support.
    let requestIDHeader: String?
    let limits: [ManifestLimit]
    let feedback: LimitFeedback
    let streams: [StreamManifest]
    var actions: [ActionManifest] = []
    /// How the service gives tokens; nil when nothing renews its credentials.
    var tokens: OAuthProfile?
    /// What its notifications are, and what they mean; nil for none.
    var webhook: WebhookManifest?
}

/// One stream of a manifest.
struct StreamManifest: Sendable {
    let name: String
    let list: PagedList
    /// Sent with the first page of a full sync alone.
    let initialQuery: [IncrementalRule.QueryItem]
    /// How each object of the list is fetched, where the list only names them.
    let hydration: Hydration?
    /// How a single object is fetched that a notification names, where neither the list nor the feed says so.
    let single: Hydration?
    let incremental: IncrementalRule
    /// Where the changes are listed, where that is elsewhere than the objects.
    var changes: PagedList?
    /// Statuses that refuse a stored cursor: everything is read again.
    let resyncStatuses: Set<Int>
    /// A list of what was deleted, read after the changes.
    let deletedList: DeletedList?
    /// How a backfill narrows the list; nil for one that is narrowed as changes are, or not at all.
    let range: IncrementalRule.RangeParameters?
    let parent: ParentBinding?
    /// Responses that say that the parent of a slice is not there any more: its list is empty.
    let parentGone: [ResponseCondition]
    /// The id of a record that a list shows and that is none of the stream's.
    let skippedID: Template?
    let absence: AbsencePolicy
    let maxPages: Int
    let fields: [StreamField]
    /// What a stretch of time says that was listed completely.
    var windowAbsence: WindowAbsence?
    /// Where a record names another one of the list that it does not outlive.
    var memberOf: JSONPointer?

    var descriptor: StreamDescriptor {
        // What was deleted is read last: until then no cursor may move.
        let order = deletedList == nil || incremental.isNone ? incremental.cursorOrder : .atEnd
        var descriptor = StreamDescriptor(
            name: name, parent: parent, absence: absence, cursorOrder: order, maxPages: maxPages,
            fields: fields)
        descriptor.windowAbsence = windowAbsence
        descriptor.memberOf = memberOf
        return descriptor
    }
}

extension StreamManifest {
    /// How single objects are fetched; nil when they cannot be.
    var fetching: Hydration? {
        if let found = single ?? hydration { return found }
        if case .feed(let feed) = incremental { return feed.hydration }
        return nil
    }

    /// All requests that reading the stream may send.
    var requests: [RequestShape] {
        var requests = [
            list.request, changes?.request, hydration?.request, single?.request, deletedList?.list.request,
        ]
        if case .feed(let feed) = incremental {
            requests += [feed.list.request, feed.hydration.request, feed.pin?.request]
        }
        return requests.compactMap { $0 }
    }
}

/// A request that gives a list page by page.
struct PagedList: Sendable {
    var request: RequestShape
    var plan: ScanPlan
    var page: PageRule
}

/// How a list goes on from page to page.
struct PageRule: Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        /// The list is one page.
        case none
        /// A token in the page goes into a parameter of the next request.
        case token(ValueSource, RequestParameter)
        /// The page has the next request's URL.
        case nextURL(ValueSource)
        /// A `Link` header with `rel="next"` (RFC 8288).
        case linkHeader
        case pageNumber(RequestParameter, first: Int)
        case offset(RequestParameter)
        /// The id of the last record goes into a parameter.
        case lastID(RequestParameter)
    }

    /// What says that the list is over. A list ends for a reason that its manifest names, and for no other.
    enum End: Sendable, Equatable {
        /// The token or URL is not there.
        case missing
        case null
        /// It is an empty text.
        case empty
        case noNextLink
        /// A member is false.
        case hasMore(ValueSource)
        /// A member is true.
        case endFlag(ValueSource)
        case equals(ValueSource, [JSONScalar])
        /// The number of records of the whole list is reached.
        case total(ValueSource)
        case emptyPage
        /// A page has fewer records than were asked for; only where the provider documents that it means the end.
        case shortPage
    }

    let kind: Kind
    var end: [End] = []
    var sizeParameter: RequestParameter?
    var size = 0
    /// The links that the provider gives are numbered pages or offsets in truth.
    var isNumbered = false

    /// Whether the list is read by counting: then it shifts when something is deleted meanwhile, and what shifts past the
    /// reader is not seen.
    var isCounted: Bool {
        switch kind {
        case .pageNumber, .offset: true
        case .none, .token, .nextURL, .linkHeader, .lastID: isNumbered
        }
    }

    static let single = PageRule(kind: .none)
}

/// How objects are fetched one by one.
struct Hydration: Sendable {
    /// Where the object is in the response.
    enum Place: Sendable {
        case member(JSONPointer)
        /// Among the records of a list that is asked for it alone. One that is not there is deleted, if the list says by this
        /// value that there is no more of it.
        case list(JSONPointer, complete: TombstoneRule)
    }

    let request: RequestShape
    let place: Place
    /// Statuses that say that the object is deleted.
    let gone: Set<Int>
}

/// A list of deleted objects.
struct DeletedList: Sendable {
    let list: PagedList
    /// Narrows the list to what was deleted since it was last read; nil for a list that is read whole.
    let since: RequestParameter?
    let until: RequestParameter?
    let format: ScalarRule.Kind
    /// Subtracted from the cursor.
    let lag: Duration
    /// How long the provider remembers deletions.
    let horizon: Duration?
    /// Where a page says until when it has all deletions; nil for until the enumeration began.
    let covered: ScalarRule?
}
