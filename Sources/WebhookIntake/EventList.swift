// SPDX-License-Identifier: Apache-2.0

import PageScanner

/// The events of a request that has several.
enum EventList {
    /// Ten times what any provider sends at once.
    static let limit = 1_000

    /// The bytes of each event. Throws `malformed` for a body without that array of objects.
    static func events(of body: [UInt8], at place: JSONPointer) throws(WebhookProblem) -> [[UInt8]] {
        var plan = ScanPlan(records: place, id: [])
        plan.maxRecords = limit
        let page: ScannedPage
        do throws(PageScanError) {
            page = try PageScanner(plan: plan).scan(body)
        } catch {
            if error.code == .tooManyRecords {
                throw WebhookProblem(413, "too_many_events", "A request has at most \(limit) events.")
            }
            throw .malformed("The body has no array of events where it has to be.")
        }
        guard !page.rejected.contains(where: { $0.reason == .notAnObject }) else {
            throw .malformed("Something in the array of events is no object.")
        }
        // What cannot be stored as a record can be kept as it came.
        return (page.records.map(\.range) + page.rejected.map(\.range)).map { Array(page.body[$0]) }
    }
}
