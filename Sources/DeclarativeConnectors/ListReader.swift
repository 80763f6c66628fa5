// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Model
import PageScanner

/// Reads the pages of one list, one request each.
final class ListReader: PageReader {
    /// What one enumeration asks for.
    enum Purpose: Sendable {
        case everything
        case changes(since: Cursor)
        case range(parameters: [(name: String, value: String)])
    }

    private let list: ManifestList
    private let slice: StreamSlice
    private let purpose: Purpose
    private let position: LockedBox<ListPosition>
    /// Whether the last request failed, so that the next one repeats it.
    private let hasFailed = LockedBox(false)

    init(_ list: ManifestList, _ slice: StreamSlice, _ purpose: Purpose, resumingAt position: PagePosition?) {
        self.list = list
        self.slice = slice
        self.purpose = purpose
        self.position = LockedBox(position.map(ListPosition.init) ?? ListPosition())
    }

    func nextPage() async throws(ConnectorError) -> Page {
        var tries = 0
        return try await list.access.withSecrets { secrets throws(ConnectorError) in
            tries += 1
            return try await page(secrets.values, apiCalls: tries)
        }
    }

    private func page(
        _ secrets: [String: SecretString], apiCalls: Int
    ) async throws(ConnectorError) -> Page {
        var current = position.withLock { $0 }
        var judge = list.judge
        judge.secrets = secrets
        let answer = try await ask(current.place, secrets, judge)
        let response = answer.http
        let scanned: ScannedPage
        do throws(PageScanError) {
            scanned = try list.scanner.scan(response.body)
        } catch {
            throw judge.failure(of: response, scan: error)
        }
        if current.place == nil { current.startedAt = try startOfEnumeration(response) }

        let continuation = try continuation(scanned, response, current)
        if case .next(let next) = continuation { current.place = ListPosition(next).place }
        position.withLock { $0 = current }
        return Page(
            scanned: scanned, continuation: continuation, cursor: cursor(scanned, continuation, current),
            cost: RequestCost(
                apiCalls: apiCalls, bytes: response.body.count, throttled: answer.throttled))
    }

    private func ask(
        _ place: String?, _ secrets: [String: SecretString], _ judge: ResponseJudge
    ) async throws(ConnectorError) -> ProviderResponse {
        let request = ProviderRequest(
            try request(at: place, secrets), endpoint: list.stream.path.text, limits: list.limits,
            reading: judge, isRetry: hasFailed.withLock { $0 })
        do throws(ConnectorError) {
            let response = try await list.access.client.send(request)
            hasFailed.withLock { $0 = false }
            return response
        } catch {
            // A wait for a limit is no failure.
            hasFailed.withLock { $0 = error.errorClass != .rateLimited }
            throw error
        }
    }

    private func request(
        at place: String?, _ secrets: [String: SecretString]
    ) throws(ConnectorError) -> HTTPRequest {
        var parameters: [(name: String, value: String)] = []
        switch (purpose, list.stream.incremental) {
        case (.changes(let cursor), .timeParameter(let rule)):
            parameters.append((rule.parameter, cursor.text))
        case (.changes(let cursor), .syncToken(_, let parameter)): parameters.append((parameter, cursor.text))
        case (.range(let range), _): parameters += range
        default: break
        }
        if let place {
            switch list.stream.page.kind {
            case .token(_, let parameter), .pageNumber(let parameter, _), .offset(let parameter),
                .lastID(let parameter):
                parameters.append((parameter, place))
            case .nextURL, .linkHeader: return try list.requests.request(toGivenURL: place, secrets)
            case .none: break
            }
        } else if case .pageNumber(let parameter, let first) = list.stream.page.kind {
            parameters.append((parameter, String(first)))
        }
        return try list.requests.request(slice, parameters: parameters, secrets)
    }

    private func continuation(
        _ page: ScannedPage, _ response: HTTPResponse, _ position: ListPosition
    ) throws(ConnectorError) -> PageContinuation {
        if case .changes(let cursor) = purpose, case .sortedDescending = list.stream.incremental,
            let order = cursor.order, let oldest = page.cursorRange?.first.order, oldest < order
        {
            return .end(.reachedCursor)
        }
        do throws(PageJudge.Contradiction) {
            switch try list.pages.outcome(page, at: position.place, links: response.headers.all("Link")) {
            case .next(let place): return .next(position.following(place))
            case .end(let condition): return .end(condition)
            }
        } catch {
            // Seen as a passing state of the provider: asked again, the same page mostly makes sense.
            throw ConnectorError(
                .transient, code: "contradictory_page",
                userMessage: "\(list.manifest.title) did not answer as expected. The sync is tried again.",
                operatorDetail: "stream \(list.stream.name): \(error.reason)")
        }
    }

    /// The cursor that this page shows.
    private func cursor(
        _ page: ScannedPage, _ continuation: PageContinuation, _ position: ListPosition
    ) -> Cursor? {
        switch list.stream.incremental {
        case .none: return nil
        case .syncToken(let pointer, _):
            guard case .end = continuation, let token = list.pages.value(pointer, page)?.text, !token.isEmpty
            else {
                return nil
            }
            return Cursor(text: token, order: nil)
        case .sortedDescending:
            return page.cursorRange.map { Cursor(text: $0.last.text, order: $0.last.order) }
        case .timeParameter(let rule):
            switch rule.source {
            case .records: return page.cursorRange.map { Cursor(text: $0.last.text, order: $0.last.order) }
            case .responseDate(let lag):
                return position.startedAt.map { started in
                    let instant = started.advanced(by: .zero - lag)
                    return Cursor(text: TimeText.text(instant, rule.format), order: instant.microseconds)
                }
            }
        }
    }

    /// The `Date` of the first response, where the cursor is made of it: the provider's clock, never this machine's.
    private func startOfEnumeration(_ response: HTTPResponse) throws(ConnectorError) -> Timestamp? {
        guard case .timeParameter(let rule) = list.stream.incremental, case .responseDate = rule.source else {
            return nil
        }
        guard let date = response.headers.first("Date").flatMap(HTTPDate.parse) else {
            throw ConnectorError(
                .contractViolation, code: "date_header_missing",
                userMessage: "\(list.manifest.title) sent data in an unexpected form.",
                operatorDetail:
                    "stream \(list.stream.name): the response has no Date header to make a cursor of")
        }
        return date
    }
}

/// Instants as a provider's parameters want them.
enum TimeText {
    static func text(_ instant: Timestamp, _ format: ScalarRule.Kind) -> String {
        switch format {
        case .rfc3339: instant.rfc3339
        case .epochSeconds, .integer: String(instant.seconds)
        case .epochMilliseconds: String(instant.milliseconds)
        }
    }
}
