// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner

/// A connector as its manifest describes it, checked.
struct Manifest: Sendable {
    let service: String
    /// The name that people know the service by.
    let title: String
    /// Scheme, host and an optional path prefix, without a slash at the end.
    let baseURL: String
    let auth: Authentication?
    let headers: [(name: String, value: Template)]
    let errors: [ErrorRule]
    /// The response header that names the request, for the provider's support.
    let requestIDHeader: String?
    let limits: [ManifestLimit]
    let feedback: LimitFeedback
    let streams: [StreamManifest]
    /// How the service gives tokens; nil when nothing renews its credentials.
    var tokens: OAuthProfile?
}

/// One stream of a manifest.
struct StreamManifest: Sendable {
    let name: String
    let path: Template
    let query: [(name: String, value: Template)]
    let plan: ScanPlan
    let page: PageRule
    let incremental: IncrementalRule
    let parent: ParentBinding?
    let absence: AbsencePolicy
    let maxPages: Int

    var descriptor: StreamDescriptor {
        StreamDescriptor(
            name: name, parent: parent, absence: absence, cursorOrder: incremental.cursorOrder,
            maxPages: maxPages)
    }
}

/// How a list goes on from page to page.
struct PageRule: Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        /// The list is one page.
        case none
        /// A token in the page goes into a parameter of the next request.
        case token(pointer: JSONPointer, parameter: String)
        /// The page has the next request's URL.
        case nextURL(pointer: JSONPointer)
        /// A `Link` header with `rel="next"` (RFC 8288).
        case linkHeader
        case pageNumber(parameter: String, first: Int)
        case offset(parameter: String)
        /// The id of the last record goes into a parameter.
        case lastID(parameter: String)
    }

    let kind: Kind
    /// A member that says whether more follows.
    let more: JSONPointer?
    /// The number of records of the whole list.
    let total: JSONPointer?
    /// Whether a page with fewer records than asked for is the last.
    let endsOnShortPage: Bool
    let sizeParameter: String?
    let size: Int

    static let single = PageRule(
        kind: .none, more: nil, total: nil, endsOnShortPage: false, sizeParameter: nil, size: 0)
}

/// How changes since the last sync are read.
enum IncrementalRule: Sendable, Equatable {
    case none
    case timeParameter(TimeParameter)
    case syncToken(pointer: JSONPointer, parameter: String)
    /// The list comes newest first: read until a record is older than the cursor.
    case sortedDescending(range: RangeParameters?)

    struct TimeParameter: Sendable, Equatable {
        let parameter: String
        let until: String?
        let format: ScalarRule.Kind
        let source: Source
        /// The list comes oldest first.
        let isAscending: Bool
    }

    /// Where a time cursor comes from.
    enum Source: Sendable, Equatable {
        /// The largest value in the records.
        case records
        /// The `Date` header of the enumeration's first response, minus a lag for changes that a list shows late.
        case responseDate(lag: Duration)
    }

    /// Parameters by which a backfill narrows the list.
    struct RangeParameters: Sendable, Equatable {
        let since: String
        let until: String?
        let format: ScalarRule.Kind
    }

    var cursorOrder: CursorOrder {
        switch self {
        case .none: .none
        case .timeParameter(let rule): rule.isAscending ? .ascending : .atEnd
        case .syncToken, .sortedDescending: .atEnd
        }
    }
}

/// What a response with this status and this value means.
struct ErrorRule: Sendable, Equatable {
    let status: Int?
    let pointer: JSONPointer?
    /// Any of these; empty for any value.
    let equals: [JSONScalar]
    let errorClass: ErrorClass
}
