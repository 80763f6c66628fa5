// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Model
import PageScanner

/// What a request says of the cursor, and what a page tells of it.
extension ListReader {
    var rule: IncrementalRule { stream.stream.incremental }

    func request(
        _ list: ReadableList, _ position: ListPosition, _ requests: RequestTemplate
    ) throws(ConnectorError) -> HTTPRequest {
        var additions = RequestAdditions()
        additions.values.slice = slice
        let page = list.list.page
        if let size = page.sizeParameter { additions.add(size, .number(String(list.pages.pageSize))) }
        if position.part == .deleted {
            addDeletions(to: &additions, position)
        } else {
            if case .everything = purpose, position.place == nil {
                additions.query += stream.stream.initialQuery.map { ($0.name, $0.value) }
            }
            try add(to: &additions, position)
        }
        switch page.kind {
        case .none: break
        case .token(_, let parameter), .lastID(let parameter):
            if let place = position.place { additions.add(parameter, .string(place)) }
        case .offset(let parameter):
            if let place = position.place { additions.add(parameter, .number(place)) }
        case .pageNumber(let parameter, let first):
            let number = position.place.flatMap { NumberedPlace($0)?.number } ?? first
            additions.add(parameter, .number(String(number)))
        case .nextURL, .linkHeader:
            if let place = position.place { return try requests.request(toGivenURL: place) }
        }
        return try requests.request(list.list.request, additions)
    }

    private func add(to additions: inout RequestAdditions, _ position: ListPosition) throws(ConnectorError) {
        switch (purpose, rule) {
        case (_, .window(let rule)):
            guard let window = position.window else { return }
            let format = rule.request.format
            additions.values.windowStart = TimeText.text(window.start, format)
            additions.values.windowEnd = TimeText.text(window.end, format)
            for (parameter, instant) in [(rule.request.parameter, window.start), (rule.until, window.end)] {
                guard let parameter else { continue }
                additions.add(parameter, TimeText.scalar(TimeText.text(instant, format), format))
            }
            rule.request.complete(&additions)
        case (.changes, .time(let rule)):
            guard let cursor = cursor(at: position, rule.request.format) else { return }
            rule.request.apply(cursor, to: &additions)
        case (.changes(let cursor), .feed(let rule)): rule.request.apply(cursor, to: &additions)
        case (.changes(let cursor), .syncToken(_, let parameter, _)):
            additions.add(parameter, .string(cursor.text))
        case (.changes(let cursor), .etag) where position.place == nil:
            additions.add(RequestParameter(name: "If-None-Match", place: .header), .string(cursor.text))
        case (.range(let range, _), _): additions.parameters += range
        default: break
        }
    }

    private func addDeletions(to additions: inout RequestAdditions, _ position: ListPosition) {
        guard let deleted = stream.stream.deletedList else { return }
        if let parameter = deleted.since, case .changes(let cursor) = purpose,
            let since = deletedUntil ?? cursor.order.map(Timestamp.init(microseconds:))
        {
            let text = TimeText.text(since.advanced(by: .zero - deleted.lag), deleted.format)
            additions.add(parameter, TimeText.scalar(text, deleted.format))
        }
        if let parameter = deleted.until, let now = position.startedAt {
            additions.add(parameter, TimeText.scalar(TimeText.text(now, deleted.format), deleted.format))
        }
    }

    /// The cursor that the enumeration began with: on a list that comes oldest first the stored one moves meanwhile.
    private func cursor(at position: ListPosition, _ format: ScalarRule.Kind) -> Cursor? {
        guard case .changes(let cursor) = purpose else { return nil }
        guard let since = position.since else { return cursor }
        return Cursor(text: since, order: format.order(of: .string(since)))
    }

    /// The cursor that a page shows.
    func cursor(
        _ page: ScannedPage, _ response: HTTPResponse, _ outcome: PageJudge.Outcome, _ position: ListPosition
    ) -> Cursor? {
        guard position.part == .list else { return nil }
        let newest = page.cursorRange.map { Cursor(text: $0.last.text, order: $0.last.order) }
        switch rule {
        case .none: return nil
        case .syncToken(let source, _, let wanted):
            if wanted == .last { guard case .end = outcome else { return nil } }
            return token(of: stream.objects, source, wanted, page, response, position)
        case .sortedDescending: return newest
        case .time(let rule):
            switch rule.source {
            case .records: return bounded(newest, rule.request.format, response, position)
            case .responseDate: return watermark(position, rule.request.format)
            }
        case .window(let rule):
            guard case .end = outcome, let window = position.window, let end = position.startedAt else {
                return nil
            }
            let reached = min(window.end, end)
            return Cursor(text: TimeText.text(reached, rule.request.format), order: reached.microseconds)
        case .etag:
            guard position.place == nil else { return nil }
            return response.headers.first("ETag").map { Cursor(text: $0, order: nil) }
        case .feed(let rule):
            if case .everything = purpose {
                guard rule.pin == nil else { return nil }
                return watermark(position, rule.request.format)
            }
            switch rule.mark {
            case .entries: return newest
            case .responseDate: return watermark(position, rule.request.format)
            case .token(let source, let wanted):
                return stream.feed.flatMap { token(of: $0, source, wanted, page, response, position) }
            }
        }
    }

    /// The token of a page; nil on a later page where the first one's counts.
    private func token(
        of list: ReadableList, _ source: ValueSource, _ wanted: IncrementalRule.TokenPage,
        _ page: ScannedPage,
        _ response: HTTPResponse, _ position: ListPosition
    ) -> Cursor? {
        if wanted == .first, position.place != nil { return nil }
        guard let token = list.pages.value(source, page, response.headers)?.text, !token.isEmpty else {
            return nil
        }
        return Cursor(text: token, order: nil)
    }

    /// The time of the first response as a cursor; what is subtracted for late changes is subtracted when it is sent.
    private func watermark(_ position: ListPosition, _ format: ScalarRule.Kind) -> Cursor? {
        position.startedAt.map { Cursor(text: TimeText.text($0, format), order: $0.microseconds) }
    }

    // MARK: - What was deleted

    /// Whether the cursor also says until when deletions were read.
    var tracksDeletions: Bool { stream.stream.deletedList?.since != nil }

    /// The newest cursor of the changes, with that of one more page.
    func newest(_ shown: Cursor?, _ position: ListPosition) -> String? {
        let known =
            position.newest ?? { if case .changes(let cursor) = purpose { cursor.text } else { nil } }()
        guard let shown else { return known }
        guard let known, let order = order(of: known), let found = shown.order, found < order else {
            return shown.text
        }
        return known
    }

    private func order(of text: String) -> Int64? {
        let format: ScalarRule.Kind? =
            switch rule {
            case .time(let rule): rule.request.format
            case .window(let rule): rule.request.format
            case .feed(let rule): rule.request.format
            case .sortedDescending(_, _, let format): format
            case .none, .syncToken, .etag: nil
            }
        return format?.order(of: .string(text))
    }

    /// The cursor of the whole enumeration, told with its last page. A full sync reads no list of the deleted, as its
    /// absences say what is gone; what is deleted from its beginning on is asked for by the next one.
    func withDeletions(
        _ response: HTTPResponse, _ continuation: PageContinuation, _ position: ListPosition
    ) -> Cursor? {
        guard case .end = continuation, let text = position.newest else { return nil }
        var until = position.startedAt
        if position.part == .deleted, let rule = stream.stream.deletedList?.covered,
            let text = JSONValueReader.scalarText(at: rule.pointer, in: response.body),
            let told = rule.kind.order(of: .string(text)).map(Timestamp.init(microseconds:))
        {
            until = min(until ?? told, told)
        }
        return DeletionCursor(changes: Cursor(text: text, order: order(of: text)), deletions: until).cursor
    }

    /// A cursor of the records' times, at most the time at which the enumeration began: an object that was read early and
    /// changed then has a later one than that, whatever the last pages show. Numbers have no clock; what changes gets a larger
    /// one than any that the first page shows.
    ///
    /// None for an enumeration whose beginning was not noted though the provider tells its time, as by a version that knew no
    /// cursor of the stream.
    private func bounded(
        _ newest: Cursor?, _ format: ScalarRule.Kind, _ response: HTTPResponse, _ position: ListPosition
    ) -> Cursor? {
        guard let order = newest?.order else { return newest }
        if isCounted {
            guard let ceiling = position.ceiling else { return nil }
            return order > ceiling ? Cursor(text: String(ceiling), order: ceiling) : newest
        }
        guard isBounded else { return newest }
        guard let start = position.startedAt else {
            return response.headers.first("Date").flatMap(HTTPDate.parse) == nil ? newest : nil
        }
        return order > start.microseconds ? watermark(position, format) : newest
    }

    /// A list that comes oldest first shows what changes meanwhile at its end.
    var isBounded: Bool { isUnordered && rule.hasTime }

    /// As `isBounded`, for a cursor that is a number.
    var isCounted: Bool { isUnordered && !rule.hasTime }

    private var isUnordered: Bool {
        guard case .time(let rule) = rule else { return false }
        return rule.source == .records && !rule.isAscending
    }
}

extension IncrementalRule.ChangeRequest {
    /// Asks for what changed since a cursor.
    func apply(_ cursor: Cursor, to additions: inout RequestAdditions) {
        let text = text(for: cursor)
        additions.values.cursor = text
        if let parameter { additions.add(parameter, TimeText.scalar(text, sentFormat ?? format)) }
        complete(&additions)
    }

    func complete(_ additions: inout RequestAdditions) {
        additions.query += query.map { ($0.name, $0.value) }
        additions.body = body
    }
}
