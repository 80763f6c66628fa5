// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Model
import PageScanner

/// Reads the pages of one enumeration, one request each; where a list only names its objects, those are fetched too.
final class ListReader: PageReader {
    /// What one enumeration asks for.
    enum Purpose: Sendable {
        case everything
        case changes(since: Cursor)
        /// `stretch` is what the parameters ask for, where they have both bounds.
        case range(
            parameters: [(parameter: RequestParameter, value: JSONScalar)], stretch: TimeStretch? = nil)
    }

    /// A page whose objects are being fetched.
    struct Held {
        var entries: ArraySlice<FeedEntry>
        /// Where the page is, and what follows it.
        let position: ListPosition
        let continuation: PageContinuation

        /// Whether some of the page's objects were fetched after an earlier look at it.
        var isContinued: Bool { position.after != nil }
    }

    struct State {
        var position: ListPosition
        /// Whether the last request failed, so that the next one repeats it.
        var hasFailed = false
        var held: Held?
        /// Where the first stretch of time begins; nil for a reader that goes on where another one stopped.
        var begunAt: Timestamp?
    }

    let stream: ReadableStream
    let slice: StreamSlice
    let purpose: Purpose
    let state: LockedBox<State>
    /// Whether this reader reads the enumeration from its first page on.
    let isWhole: Bool
    /// Until when deletions were read, where a list of them is read by time.
    let deletedUntil: Timestamp?

    init(
        _ stream: ReadableStream, _ slice: StreamSlice, _ purpose: Purpose, resumingAt position: PagePosition?
    ) {
        self.stream = stream
        self.slice = slice
        if case .changes(let cursor) = purpose {
            // Also where the manifest has lost its list of the deleted: the provider knows the first half alone.
            let both = DeletionCursor(cursor)
            self.purpose = .changes(since: both.changes)
            deletedUntil = both.deletions
        } else {
            self.purpose = purpose
            deletedUntil = nil
        }
        var begin = position.map(ListPosition.init) ?? ListPosition()
        // Of a version that made no cursor of the provider's clock: nobody knows since when what was read may have changed.
        if begin.startedAt == nil, Self.needsDate(stream.stream) { begin = ListPosition() }
        isWhole = position == nil
        state = LockedBox(State(position: begin))
    }

    func nextPage() async throws(ConnectorError) -> Page {
        let (position, held) = state.withLock { ($0.position, $0.held) }
        if let held {
            return try await fetch(held, listed: nil, cursor: nil, RequestCost(apiCalls: 0, bytes: 0))
        }
        return try await listPage(at: position)
    }

    // MARK: - Lists

    private func listPage(at position: ListPosition) async throws(ConnectorError) -> Page {
        var current = position
        if current == ListPosition() { current = begin() }
        let list = self.list(of: current.part)
        var cost = RequestCost(apiCalls: 0, bytes: 0)
        let pinned = try await pinnedCursor(at: position, &cost)
        let response = try await ask(list, current, &cost)
        if current.startedAt == nil { current.startedAt = try startOfEnumeration(response, current) }
        try checkHorizon(current)
        let limit = cursorLimit(response)
        try checkCursor(isWithin: limit)
        if response.status == 304 {
            return Page(
                scanned: ScannedPage.empty(list.list.plan), continuation: .end(.notModified), cursor: nil,
                cost: cost)
        }
        if stream.stream.parentGone.contains(where: { $0.holds(for: response) }) {
            return Page(
                scanned: ScannedPage.empty(list.list.plan), continuation: .end(.parentGone), cursor: nil,
                cost: cost)
        }
        try await makeRoom(for: response, list)
        var scanned: ScannedPage
        do throws(PageScanError) {
            scanned = try list.scanner.scan(response.body, cursorLimit: limit)
        } catch {
            throw stream.judge.failure(of: response, scan: error)
        }
        let outcome = try outcome(list, scanned, response, current)
        if isCounted, current.place == nil, current.ceiling == nil {
            current.ceiling = scanned.cursorRange?.last.order
        }
        // After the page was judged: it counts where the list is counted.
        if let skipped = stream.stream.skippedID { scanned = scanned.without(identifier: skippedID(skipped)) }
        let shown = pinned ?? self.cursor(scanned, response, outcome, current)
        if tracksDeletions, position.after == nil { current.newest = newest(shown, current) }
        let continuation = continuation(outcome, current)
        let cursor = tracksDeletions ? withDeletions(response, continuation, current) : shown
        guard let entries = entries(scanned, current) else {
            move(to: continuation)
            var page = Page(scanned: scanned, continuation: continuation, cursor: cursor, cost: cost)
            page.reached = shown?.order
            page.covered = covered(until: current, continuation)
            return page
        }
        let held = hold(entries, current, continuation)
        // Told with the first objects of a page, as `newest` is: what a later look at the same page shows as well may not be
        // read yet.
        var page = try await fetch(
            held, listed: scanned, cursor: position.after == nil ? cursor : nil, cost)
        page.reached = shown?.order
        return page
    }

    /// A table grows when it becomes records.
    private func makeRoom(for response: HTTPResponse, _ list: ReadableList) async throws(ConnectorError) {
        guard case .csv = list.list.plan.layout, response.body.count > CSVTable.smallBytes else { return }
        try await stream.access.room?.enter(list.list.request.path.text, largerThan: .large)
    }

    /// Where the first stretch of time began.
    var begunAt: Timestamp? { state.withLock { $0.begunAt } }

    private func skippedID(_ template: Template) -> [UInt8] {
        Array(template.filled { slice.values[$0.name] ?? "" }.utf8)
    }

    private func begin() -> ListPosition {
        var position = ListPosition()
        if case .changes(let cursor) = purpose, stream.stream.descriptor.cursorOrder == .ascending {
            position.since = cursor.text
        }
        position.window = firstWindow()
        let start = position.window?.start
        state.withLock { $0.begunAt = start }
        return position
    }

    private func list(of part: ListPosition.Part) -> ReadableList {
        if part == .deleted, let deleted = stream.deleted { return deleted }
        if case .changes = purpose, let changes = stream.feed ?? stream.changes { return changes }
        return stream.objects
    }

    private func ask(
        _ list: ReadableList, _ position: ListPosition, _ cost: inout RequestCost
    ) async throws(ConnectorError) -> HTTPResponse {
        var judge = stream.judge.endedBy(stream.stream.parentGone)
        if case .changes = purpose {
            judge = judge.refusing(stream.stream.resyncStatuses)
            if case .etag = stream.stream.incremental, position.place == nil {
                judge = judge.accepting([304])
            }
        }
        return try await send(
            endpoint: list.list.request.path.text, limits: list.limits, judge, &cost, isPage: true
        ) { requests throws(ConnectorError) in
            try request(list, position, requests)
        }
    }

    private func send(
        endpoint: String, limits: [LimitUse], _ judge: ResponseJudge, _ cost: inout RequestCost,
        isPage: Bool = false, _ build: (RequestTemplate) throws(ConnectorError) -> HTTPRequest
    ) async throws(ConnectorError) -> HTTPResponse {
        let isRetry = state.withLock { $0.hasFailed }
        do throws(ConnectorError) {
            let (response, spent) = try await stream.sender.send(
                endpoint: endpoint, limits: limits, judge: judge, isRetry: isRetry, isPage: isPage, build)
            state.withLock { $0.hasFailed = false }
            cost += spent
            return response
        } catch {
            // A wait for a limit is no failure.
            state.withLock { $0.hasFailed = error.errorClass != .rateLimited }
            throw error
        }
    }

    private func outcome(
        _ list: ReadableList, _ page: ScannedPage, _ response: HTTPResponse, _ position: ListPosition
    ) throws(ConnectorError) -> PageJudge.Outcome {
        if position.part == .list, case .changes(let cursor) = purpose,
            case .sortedDescending(_, let lag, _) = stream.stream.incremental, let order = cursor.order,
            let oldest = page.cursorRange?.first.order,
            oldest < Timestamp(microseconds: order).advanced(by: .zero - lag).microseconds
        {
            return .end(.reachedCursor)
        }
        do throws(PageJudge.Contradiction) {
            return try list.pages.outcome(page, at: position.place, headers: response.headers)
        } catch {
            // Seen as a passing state of the provider: asked again, the same page mostly makes sense.
            throw ConnectorError(
                .transient, code: "contradictory_page",
                userMessage: "\(stream.manifest.title) did not answer as expected. The sync is tried again.",
                operatorDetail: "stream \(stream.stream.name): \(error.reason)")
        }
    }

    /// What follows a page: another page, another stretch of time, what was deleted, or nothing.
    private func continuation(_ outcome: PageJudge.Outcome, _ position: ListPosition) -> PageContinuation {
        var next = position
        next.after = nil
        switch outcome {
        case .next(let place):
            next.place = place
            return .next(next.page)
        case .end(let condition):
            next.place = nil
            guard position.part == .list else { return .end(condition) }
            if let window = windowFollowing(position) {
                next.window = window
                return .next(next.page)
            }
            guard let deleted = stream.stream.deletedList, readsDeletions(deleted) else {
                return .end(condition)
            }
            next.part = .deleted
            next.window = nil
            return .next(next.page)
        }
    }

    /// A list by cursor is read with the changes; one that shows all deletions is read always.
    private func readsDeletions(_ list: DeletedList) -> Bool {
        switch purpose {
        case .changes: true
        case .everything: list.since == nil
        case .range: false
        }
    }

    func move(to continuation: PageContinuation) {
        state.withLock { state in
            if case .next(let next) = continuation { state.position = ListPosition(next) }
            state.held = nil
        }
    }

    /// The cursor of a full sync that a request of its own gives, before the first page is asked for.
    private func pinnedCursor(
        at position: ListPosition, _ cost: inout RequestCost
    ) async throws(ConnectorError) -> Cursor? {
        guard case .everything = purpose, position == ListPosition(),
            case .feed(let rule) = stream.stream.incremental, let pin = rule.pin
        else { return nil }
        var additions = RequestAdditions()
        additions.values.slice = slice
        let wanted = additions
        let response = try await send(
            endpoint: pin.request.path.text, limits: stream.objects.limits, stream.judge, &cost
        ) { requests throws(ConnectorError) in
            try requests.request(pin.request, wanted)
        }
        guard let text = JSONValueReader.scalarText(at: pin.value, in: response.body), !text.isEmpty else {
            throw ConnectorError(
                .contractViolation, code: "pin_missing",
                userMessage: "\(stream.manifest.title) sent data in an unexpected form.",
                operatorDetail: "stream \(stream.stream.name): the response has no \(pin.value.text)",
                evidence: stream.judge.evidence(of: response))
        }
        return Cursor(text: text, order: nil)
    }
}
