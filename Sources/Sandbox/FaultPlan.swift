// SPDX-License-Identifier: Apache-2.0

/// A fault that some requests meet.
struct Fault: Sendable, Equatable {
    enum Kind: String, Sendable, CaseIterable {
        /// Another status, with an optional Retry-After.
        case status
        case hang
        case reset
        case truncated
        /// A page of HTML with status 200.
        case html
        /// The page says that it is followed by itself.
        case repeatedToken = "repeated_token"
        /// No items, and yet a next page.
        case emptyNext = "empty_next"
        /// The first page again.
        case stalePage = "stale_page"
        case slow
    }

    let kind: Kind
    /// Nil matches every service, stream, user.
    let service: String?
    let stream: String?
    let user: Int?
    let status: Int
    let retryAfter: String?
    let milliseconds: Int
    /// Matching requests that pass before the fault begins.
    var skip: Int
    /// Requests that it still hits.
    var times: Int
}

/// The faults that wait for their requests.
struct FaultPlan: Sendable {
    private(set) var faults: [Fault] = []

    mutating func add(_ fault: Fault) { faults.append(fault) }

    mutating func clear() { faults = [] }

    /// The fault that this request meets, if any; it is used up.
    mutating func next(service: String, stream: String, user: Int) -> Fault? {
        for index in faults.indices {
            let fault = faults[index]
            guard fault.times > 0, fault.service == nil || fault.service == service,
                fault.stream == nil || fault.stream == stream, fault.user == nil || fault.user == user
            else { continue }
            if fault.skip > 0 {
                faults[index].skip -= 1
                continue
            }
            faults[index].times -= 1
            return fault
        }
        return nil
    }
}
