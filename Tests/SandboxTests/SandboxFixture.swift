// SPDX-License-Identifier: Apache-2.0

import Foundation
import Model
import NIOCore
import NIOHTTP1
import Testing

@testable import Sandbox

/// A sandbox without a network: requests go straight into its state.
struct SandboxFixture {
    /// A response, its JSON read for looking into it.
    struct Answer {
        let status: Int
        let text: String
        let response: SandboxResponse

        var json: [String: Any] {
            get throws {
                let object = try JSONSerialization.jsonObject(with: Data(text.utf8))
                return try #require(object as? [String: Any])
            }
        }

        func string(_ name: String) throws -> String? { try json[name] as? String }

        func items(_ name: String) throws -> [[String: Any]] {
            try #require(try json[name] as? [[String: Any]])
        }

        func header(_ name: String) -> String? {
            response.headers.first { $0.name == name }?.value
        }

        func ids(_ name: String) throws -> [String] {
            try items(name).map { try #require($0["id"] as? String) }
        }

        /// The error object of either service.
        var error: [String: Any] {
            get throws { try #require(try json["error"] as? [String: Any]) }
        }

        /// The reason that Google gives.
        var reason: String? {
            get throws { (try error["errors"] as? [[String: Any]])?.first?["reason"] as? String }
        }
    }

    var state: SandboxState
    /// When the next request comes.
    var time = start

    static let start = RequestTime(wall: Timestamp(seconds: 1), monotonic: 0)

    init(_ change: (inout SandboxConfiguration) -> Void = { _ in }) {
        var configuration = SandboxConfiguration()
        configuration.users = 3
        configuration.objects = 25
        configuration.hasSeries = false
        change(&configuration)
        state = SandboxState(configuration)
    }

    mutating func send(
        _ method: String, _ uri: String, key: String? = nil, headers: [(String, String)] = [],
        body: String = ""
    ) -> Answer {
        let bearer = key.map { [("Authorization", "Bearer \($0)")] } ?? []
        let response = state.answer(
            SandboxRequest(
                method: method, uri: uri, headers: HTTPHeaders(bearer + headers), body: Array(body.utf8)),
            at: time)
        var text = String(buffer: response.body)
        if var listing = response.listing {
            while let piece = listing.next(size: 1_000) { text += String(buffer: piece) }
        }
        return Answer(status: response.status, text: text, response: response)
    }

    /// A form, percent-encoded.
    static func form(_ pairs: [(String, String)]) -> String { String(query(pairs).dropFirst()) }

    mutating func slack(_ method: String, _ arguments: [(String, String)] = [], user: String = "u_1")
        -> Answer
    {
        send("GET", "/slack/api/\(method)" + Self.query(arguments), key: "xoxb-\(user)")
    }

    mutating func gmail(_ path: String, _ query: [(String, String)] = [], user: String = "u_1") -> Answer {
        send("GET", "/gmail/v1/users/me/\(path)" + Self.query(query), key: "ya29.\(user)")
    }

    mutating func stripe(_ path: String, user: String = "u_1") -> Answer {
        send("GET", "/stripe/v1/\(path)", key: "sk_test_\(user)")
    }

    mutating func google(_ path: String, user: String = "u_1") -> Answer {
        send("GET", "/google-calendar/calendar/v3/\(path)", key: "ya29.\(user)")
    }

    mutating func events(_ query: [(String, String)] = [], user: String = "u_1") -> Answer {
        google("calendars/\(user)%40example.com/events" + Self.query(query), user: user)
    }

    @discardableResult
    mutating func control(_ control: SandboxControlRequest) -> Answer {
        let answer = send(control.method, control.target, body: String(decoding: control.body, as: UTF8.self))
        #expect(answer.status == 200, "\(answer.text)")
        return answer
    }

    /// All pages of a Stripe list, oldest page last.
    mutating func stripePages(_ list: String, limit: Int, user: String = "u_1") throws -> [[String]] {
        var pages: [[String]] = []
        var after = ""
        while pages.count < 100 {
            let page = stripe("\(list)?limit=\(limit)\(after)", user: user)
            #expect(page.status == 200, "\(page.text)")
            pages.append(try page.ids("data"))
            guard try page.json["has_more"] as? Bool == true else { return pages }
            after = "&starting_after=\(try #require(pages.last?.last))"
        }
        return pages
    }

    /// All events of an enumeration, and the sync token at its end.
    mutating func enumerate(
        _ query: [(String, String)], user: String = "u_1"
    ) throws -> (items: [[String: Any]], pages: Int, syncToken: String) {
        var items: [[String: Any]] = []
        var token: String?
        for pages in 1...100 {
            let answer = events(query + (token.map { [("pageToken", $0)] } ?? []), user: user)
            #expect(answer.status == 200, "\(answer.text)")
            items += try answer.items("items")
            token = try answer.string("nextPageToken")
            if token == nil { return (items, pages, try #require(try answer.string("nextSyncToken"))) }
            #expect(try answer.string("nextSyncToken") == nil)
        }
        throw SandboxError(.stopped, "the enumeration has no end")
    }

    /// The lines of an NDJSON answer.
    mutating func lines(_ control: SandboxControlRequest) -> [String] {
        self.control(control).text.split(separator: "\n").map(String.init)
    }

    static func query(_ pairs: [(String, String)]) -> String {
        guard !pairs.isEmpty else { return "" }
        return "?"
            + pairs.map { name, value in
                let safe = CharacterSet.alphanumerics
                return "\(name)=\(value.addingPercentEncoding(withAllowedCharacters: safe) ?? value)"
            }
            .joined(separator: "&")
    }
}
