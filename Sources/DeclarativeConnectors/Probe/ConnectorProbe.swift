// SPDX-License-Identifier: Apache-2.0

public import HTTPTransport
import PageScanner

/// Why nothing can be proposed.
public struct ProbeError: Error, Sendable, Equatable {
    /// For the person who asked; says what to do.
    public let message: String
}

/// Reads a few pages of an unknown API and proposes a manifest: what it saw, and what it did not find out.
public struct ConnectorProbe: Sendable {
    private let http: HTTPClient
    private let headers: [(name: String, value: String)]
    private let service: String?

    /// More requests than this are not sent, whatever the answers are.
    public static let maximumRequests = 24
    /// Pages that are followed to see how a list ends.
    static let maximumPages = 6
    /// A list is looked at, not read: more is not loaded.
    static let maximumBytes = 8 << 20

    /// A probe that sends these headers with each request. `service` names the proposal; nil: after the host.
    public init(http: HTTPClient, headers: [(name: String, value: String)] = [], service: String? = nil) {
        self.http = http
        self.headers = headers
        self.service = service
    }

    /// Reads the list at `url` and what follows it.
    public func run(_ url: String) async throws(ProbeError) -> ManifestProposal {
        guard let target = ProbeTarget(url) else {
            throw ProbeError(message: "'\(url)' is no URL of a list; https://HOST/PATH[?QUERY]")
        }
        var budget = Self.maximumRequests
        let first = try await firstPage(target, &budget)
        guard let shape = RecordShape(first) else {
            let names = first.value.members.keys.sorted().prefix(12).joined(separator: ", ")
            throw ProbeError(
                message: "the answer has no list of objects; it has: \(names.isEmpty ? "no members" : names)")
        }
        guard !shape.records(of: first).isEmpty else {
            throw ProbeError(message: "the list is empty; probe one that has some objects")
        }
        var seen = ProbeFindings(target: target, shape: shape, first: first)
        try await findPages(&seen, &budget)
        try await findTimeParameter(&seen, &budget)
        return try ManifestProposal(seen, headers: headers, service: service)
    }

    private func firstPage(_ target: ProbeTarget, _ budget: inout Int) async throws(ProbeError) -> ProbePage {
        let response = try await ask(target, &budget)
        switch response.status {
        case 200..<300: break
        case 300..<400:
            throw ProbeError(
                message:
                    "the answer is a redirect (\(response.status)) to \(response.headers.first("Location") ?? "nowhere"); probe that URL, if it is the provider's"
            )
        case 401, 403:
            throw ProbeError(
                message:
                    "the provider refuses (\(response.status)); give its credential with --token-env NAME or --header 'NAME: VALUE'"
            )
        default: throw ProbeError(message: "the provider answered with status \(response.status)")
        }
        guard let page = ProbePage(response, name: target.name) else {
            throw ProbeError(message: "the answer is not JSON; manifests read JSON and lines of JSON")
        }
        return page
    }

    /// Follows each way that the first page suggests until one leads to other records.
    private func findPages(_ seen: inout ProbeFindings, _ budget: inout Int) async throws(ProbeError) {
        for guess in PaginationGuess.guesses(seen.first, seen.shape, seen.target) where budget > 6 {
            let count = seen.shape.records(of: seen.first).count
            guard
                let next = guess.next(
                    after: seen.first, seen.shape, seen.target, first: seen.target, count: count)
            else { continue }
            let response = try await ask(next, &budget)
            guard (200..<300).contains(response.status),
                let page = ProbePage(response, name: seen.target.name), seen.shape.isSame(page)
            else { continue }
            guard isOther(page, than: seen, guess) else { continue }
            seen.pagination = guess
            try await follow(guess, page, next, &seen, &budget)
            return
        }
    }

    /// Whether a page is another one than the first: the parameter was understood.
    private func isOther(_ page: ProbePage, than seen: ProbeFindings, _ guess: PaginationGuess) -> Bool {
        let (known, found) = (seen.shape.records(of: seen.first), seen.shape.records(of: page))
        // Behind a page that says that there is more, there is something. A counted page behind the last one is empty.
        if found.isEmpty {
            switch guess.kind {
            case .pageNumber, .offset: return true
            case .linkHeader, .nextURL, .token, .lastID: return false
            }
        }
        guard seen.shape.id != nil else { return known != found }
        return Set(seen.shape.ids(of: seen.first)).isDisjoint(with: seen.shape.ids(of: page))
    }

    /// Goes on for some pages, to see how the last one looks.
    private func follow(
        _ guess: PaginationGuess, _ second: ProbePage, _ asked: ProbeTarget, _ seen: inout ProbeFindings,
        _ budget: inout Int
    ) async throws(ProbeError) {
        var (page, at) = (second, asked)
        var count = seen.shape.records(of: seen.first).count + seen.shape.records(of: page).count
        seen.pages = 2
        while true {
            if seen.shape.records(of: page).isEmpty, guess.isCounted { seen.last = page }
            guard seen.last == nil,
                let next = guess.next(after: page, seen.shape, at, first: seen.target, count: count)
            else {
                seen.last = seen.last ?? page
                return
            }
            guard seen.pages < Self.maximumPages, budget > 6 else { return }
            let response = try await ask(next, &budget)
            guard (200..<300).contains(response.status),
                let found = ProbePage(response, name: seen.target.name), seen.shape.isSame(found)
            else { return }
            (page, at) = (found, next)
            count += seen.shape.records(of: page).count
            seen.pages += 1
        }
    }

    private static let timeParameters = [
        "updated_since", "updated_after", "since", "modified_since", "updated_at_min", "updatedMin",
    ]

    /// Asks for what changes after the year 2999: a parameter that is understood leads to an empty list.
    private func findTimeParameter(_ seen: inout ProbeFindings, _ budget: inout Int) async throws(ProbeError)
    {
        guard let changed = seen.shape.changed else { return }
        let future =
            switch changed.format {
            case "epoch_seconds": "32503680000"
            case "epoch_milliseconds": "32503680000000"
            default: "3000-01-01T00:00:00Z"
            }
        for name in Self.timeParameters
        where budget > 0 && !seen.target.query.contains(where: { $0.name == name }) {
            let response = try await ask(seen.target.with(name, future), &budget)
            guard (200..<300).contains(response.status),
                let page = ProbePage(response, name: seen.target.name), seen.shape.isSame(page)
            else { continue }
            if seen.shape.records(of: page).isEmpty {
                seen.timeParameter = name
                return
            }
        }
    }

    private func ask(_ target: ProbeTarget, _ budget: inout Int) async throws(ProbeError) -> HTTPResponse {
        budget -= 1
        var request = HTTPRequest(url: target.url, headers: [("Accept", "application/json")] + headers)
        request.timeout = .seconds(30)
        request.maxBodyBytes = Self.maximumBytes
        do throws(HTTPError) {
            return try await http.send(request)
        } catch {
            throw ProbeError(message: error.message)
        }
    }
}

/// What a probe saw.
struct ProbeFindings: Sendable {
    let target: ProbeTarget
    let shape: RecordShape
    let first: ProbePage
    /// How the list goes on; nil when nothing led to a second page.
    var pagination: PaginationGuess?
    var pages = 1
    /// The last page, when it was reached.
    var last: ProbePage?
    /// A parameter that narrows the list to what changed since.
    var timeParameter: String?
}

extension PaginationGuess {
    /// Whether it asks for pages by a number, and so behind the last one too.
    var isCounted: Bool {
        switch kind {
        case .pageNumber, .offset: true
        case .linkHeader, .nextURL, .token, .lastID: false
        }
    }
}

extension RecordShape {
    /// Whether a page has its list where this shape says.
    func isSame(_ page: ProbePage) -> Bool {
        switch layout {
        case .lines: page.isLines
        case .array: page.value[path]?.elements != nil
        case .keyed: page.value[path].map { if case .object = $0 { true } else { false } } ?? false
        }
    }
}
