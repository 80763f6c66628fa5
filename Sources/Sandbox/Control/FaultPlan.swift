// SPDX-License-Identifier: Apache-2.0

/// How a page is wrong though its status is 200 and its JSON is whole.
enum PageTwist: Sendable, Equatable {
    /// The page names itself as the next one.
    case repeated
    /// No items, and yet a next page.
    case empty
    /// The first page of the enumeration, whatever page was asked for.
    case firstAgain
}

/// A fault that some requests meet.
struct Fault: Sendable, Equatable {
    enum Kind: String, Sendable, CaseIterable {
        /// Another status, with an optional Retry-After and body.
        case status
        case hang
        case reset
        case truncated
        /// A page of HTML with status 200.
        case html
        case repeatedToken = "repeated_token"
        case emptyNext = "empty_next"
        case stalePage = "stale_page"
        case slow

        /// Also takes the longer names `html200` and `empty_page_with_next`.
        init?(name: String) {
            switch name {
            case "html200": self = .html
            case "empty_page_with_next": self = .emptyNext
            default: self.init(rawValue: name)
            }
        }

        var twist: PageTwist? {
            switch self {
            case .repeatedToken: .repeated
            case .emptyNext: .empty
            case .stalePage: .firstAgain
            case .status, .hang, .reset, .truncated, .html, .slow: nil
            }
        }
    }

    let kind: Kind
    /// Nil matches every service, endpoint, stream, user, page.
    var service: SandboxService?
    var endpoint: String?
    var stream: SandboxStream?
    var user: Int?
    /// The page of an enumeration, from 1.
    var page: Int?
    var status = 500
    var retryAfter: String?
    var body: String?
    /// The provider's own word for what is wrong, in its usual form.
    var error: String?
    /// Whether the request is carried out although its answer is another; nil for what is usual.
    var executes: Bool?
    var milliseconds = 1_000
    /// Matching requests that pass before the fault begins.
    var skip = 0
    /// Requests that it still hits.
    var times = 1

    /// A refusal comes before the work; an answer that is lost comes after it.
    var isExecuted: Bool {
        executes ?? (kind != .status && kind != .html)
    }
}

/// The faults that wait for their requests.
struct FaultPlan: Sendable {
    /// What a request asks for.
    struct Target: Sendable {
        let service: SandboxService
        let endpoint: String?
        let stream: SandboxStream?
        let user: Int?
        let page: Int
    }

    static let limit = 10_000

    private(set) var faults: [Fault] = []
    /// Requests that met a fault.
    private(set) var hits = 0

    /// False when there are too many.
    mutating func add(_ fault: Fault) -> Bool {
        guard faults.count < Self.limit else { return false }
        faults.append(fault)
        return true
    }

    mutating func clear() { faults = [] }

    /// The fault that this request meets, if any; it is used up.
    mutating func next(_ target: Target) -> Fault? {
        for index in faults.indices {
            let fault = faults[index]
            guard fault.service == nil || fault.service == target.service,
                fault.endpoint == nil || fault.endpoint == target.endpoint,
                fault.stream == nil || fault.stream == target.stream,
                fault.user == nil || fault.user == target.user,
                fault.page == nil || fault.page == target.page
            else { continue }
            if fault.skip > 0 {
                faults[index].skip -= 1
                continue
            }
            faults[index].times -= 1
            if faults[index].times <= 0 { faults.remove(at: index) }
            hits += 1
            return fault
        }
        return nil
    }
}

/// Which page of its enumeration a request asks for. A retry asks for the same page again.
struct PageCounter: Sendable {
    private var last: [CollectionKey: (cursor: String, page: Int)] = [:]

    /// `cursor` is the page token or last id of the request, nil for the first page.
    mutating func page(_ key: CollectionKey, cursor: String?) -> Int {
        guard let cursor else {
            last[key] = nil
            return 1
        }
        let previous = last[key]
        if let previous, previous.cursor == cursor { return previous.page }
        let page = (previous?.page ?? 1) + 1
        last[key] = (cursor, page)
        return page
    }
}
