// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTransport
import Model

@testable import Gateway

/// What a user's browser does: it keeps cookies of a host and sends them back. It follows no redirect by itself.
final class Browser: Sendable {
    private let http: HTTPClient
    private let jar = LockedBox<[String: [String: String]]>([:])
    /// The referrer policy of the page that each host showed last.
    private let policy = LockedBox<[String: String]>([:])

    init(_ http: HTTPClient) {
        self.http = http
    }

    func get(_ url: String) async throws -> HTTPResponse {
        try await send("GET", url, headers: [], body: nil)
    }

    /// Sends a form as a page of the same site does.
    func submit(_ url: String, _ fields: [(String, String)]) async throws -> HTTPResponse {
        let body = fields.map { "\(PercentEncoding.encoded($0))=\(PercentEncoding.encoded($1))" }
            .joined(separator: "&")
        let host = Self.host(url)
        let isSilent = policy.withLock { $0[host] == "no-referrer" }
        return try await send(
            "POST", url,
            headers: [
                ("Content-Type", "application/x-www-form-urlencoded"),
                ("Origin", isSilent ? "null" : "http://\(host)"),
            ], body: Array(body.utf8))
    }

    func cookies(of url: String) -> [String: String] { jar.withLock { $0[Self.host(url)] ?? [:] } }

    private func send(
        _ method: String, _ url: String, headers: [(name: String, value: String)], body: [UInt8]?
    ) async throws -> HTTPResponse {
        let host = Self.host(url)
        let cookies = jar.withLock { $0[host] ?? [:] }
        var headers = headers
        if !cookies.isEmpty {
            headers.append(("Cookie", cookies.map { "\($0.key)=\($0.value)" }.joined(separator: "; ")))
        }
        let answer = try await http.send(
            HTTPRequest(method: method, url: url, headers: headers, body: body))
        if answer.headers.first("content-type")?.hasPrefix("text/html") == true {
            policy.withLock { $0[host] = answer.headers.first("referrer-policy") }
        }
        for line in answer.headers.all("set-cookie") {
            let pair = line.split(separator: ";")[0].split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let (name, value) = (String(pair[0]), String(pair[1]))
            jar.withLock { $0[host, default: [:]][name] = value.isEmpty ? nil : value }
        }
        return answer
    }

    private static func host(_ url: String) -> String {
        let parts = URLComponents(string: url)
        return "\(parts?.host ?? ""):\(parts?.port ?? 0)"
    }
}

extension HTTPResponse {
    var location: String? { headers.first("location") }

    /// The value of a hidden field.
    func field(_ name: String) -> String? {
        guard let start = text.firstRange(of: "name=\"\(name)\" value=\"") else { return nil }
        let rest = text[start.upperBound...]
        return rest.firstIndex(of: "\"").map { String(rest[..<$0]) }
    }
}
