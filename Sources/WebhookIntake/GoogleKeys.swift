// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import Webhooks

/// The keys that Google signs with, as they are published. They change every few days.
actor GoogleKeys {
    private struct Known {
        var keys: JSONWebKeys?
        var readAt: ContinuousClock.Instant?
        var triedAt: ContinuousClock.Instant?
    }

    /// Google lets them be kept for about as long.
    private static let lifetime: Duration = .seconds(3_600)
    /// Whoever sends tokens with invented key ids must not make us ask all the time.
    private static let interval: Duration = .seconds(10)

    private let http: HTTPClient
    private var known: [String: Known] = [:]

    init(http: HTTPClient) {
        self.http = http
    }

    /// The keys at an address, read anew when they are old or lack this one. Nil when they cannot be had.
    func keys(at url: String, having id: String) async -> JSONWebKeys? {
        let found = known[url] ?? Known()
        let isFresh = found.readAt.map { ContinuousClock.now - $0 < Self.lifetime } ?? false
        if isFresh, let keys = found.keys, keys[id] != nil { return keys }
        if let tried = found.triedAt, ContinuousClock.now - tried < Self.interval { return found.keys }
        known[url, default: Known()].triedAt = .now
        guard let keys = await read(url) else { return found.keys }
        known[url] = Known(keys: keys, readAt: .now, triedAt: .now)
        return keys
    }

    private func read(_ url: String) async -> JSONWebKeys? {
        var request = HTTPRequest(method: "GET", url: url)
        request.timeout = .seconds(2)
        do throws(HTTPError) {
            let response = try await http.send(request)
            return response.status == 200 ? JSONWebKeys(response.body) : nil
        } catch {
            return nil
        }
    }
}

extension WebhookIntake {
    /// Where the keys of a service are: below its own address when that was moved, such as to a sandbox.
    func keysURL(_ url: String, of service: String) -> String {
        guard let base = configuration.serviceURLs[service], let scheme = url.firstRange(of: "://"),
            let path = url[scheme.upperBound...].firstIndex(of: "/")
        else { return url }
        return base + url[path...]
    }
}
