// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTransport
import Testing

@testable import Gateway

extension ApiFixture {
    /// The address of a page.
    func url(_ path: String) -> String { "http://127.0.0.1:\(served.ports.privatePort)\(path)" }

    /// A browser that is signed in.
    func signedIn() async throws -> Browser {
        let browser = Browser(served.http)
        let answer = try await browser.submit(url("/signin"), [("token", Self.token)])
        #expect(answer.status == 303 && answer.location == "/", "\(answer.status) \(answer.text)")
        return browser
    }

    /// What a browser that is signed in gets from a page that stays fresh, as it comes.
    func feed(_ path: String, of browser: Browser) async throws -> RawConnection {
        let cookie = browser.cookies(of: url("/")).map { "\($0.key)=\($0.value)" }.joined()
        let feed = try await RawConnection.open(port: served.ports.privatePort)
        try await feed.send("GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: \(cookie)\r\n\r\n")
        return feed
    }
}

extension Browser {
    /// The address of a page's link with these words.
    static func link(_ words: String, in page: HTTPResponse) -> String? {
        guard let end = page.text.firstRange(of: "\">\(words)</a>") else { return nil }
        let before = page.text[..<end.lowerBound]
        return before.range(of: "href=\"", options: .backwards).map { String(before[$0.upperBound...]) }
    }
}
