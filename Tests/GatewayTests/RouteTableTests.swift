// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import Testing

@testable import Gateway

@Suite struct `A table of routes` {
    private let table = RouteTable(
        ["/webhooks/{service}", "/webhooks/{service}/{integration}", "/webhooks/slack", "/"].map { path in
            Route("POST", path) { _ in GatewayResponse(status: 200) }
        } + [Route("GET", "/connect/{service}", for: .person) { _ in GatewayResponse(status: 200) }])

    private func found(_ method: String, _ path: String) -> (path: String, parameters: [String: String])? {
        guard case .route(let route, let parameters) = table.match(method: method, path: path) else {
            return nil
        }
        return (route.path, parameters)
    }

    @Test func `finds a route by its literals and decodes what stands between them`() {
        #expect(found("POST", "/webhooks/stripe")?.parameters == ["service": "stripe"])
        #expect(found("POST", "/webhooks/a%2Fb/7")?.parameters == ["service": "a/b", "integration": "7"])
        #expect(found("POST", "/")?.path == "/")
        #expect(found("HEAD", "/connect/slack")?.path == "/connect/{service}")
    }

    @Test func `prefers a literal to a name`() {
        #expect(found("POST", "/webhooks/slack")?.path == "/webhooks/slack")
    }

    @Test(arguments: [
        "/webhooks", "/webhooks/a/b/c", "/webhooks/%00", "/webhooks/%zz", "/webhooks/%ff", "/Connect/x",
    ])
    func `finds nothing where nothing is`(_ path: String) {
        guard case .nothing = table.match(method: "POST", path: path) else {
            Issue.record("\(path) was found")
            return
        }
    }

    @Test func `names the methods of a path that is asked by another`() {
        guard case .otherMethods(let methods, .person) = table.match(method: "POST", path: "/connect/x")
        else {
            Issue.record("not refused by its method")
            return
        }
        #expect(methods == ["GET"])
    }
}

@Suite struct `The fields of a form` {
    @Test func `are decoded, and a name that stands twice has no value`() {
        let fields = FormFields(encoded: "a=1%202&b=x+y&empty=&flag&twice=1&twice=2".utf8)
        #expect(fields?["a"] == "1 2")
        #expect(fields?["b"] == "x y")
        #expect(fields?["empty"] == "" && fields?["flag"] == "")
        #expect(fields?["twice"] == nil && fields?["none"] == nil)
    }

    @Test(arguments: ["a=%", "a=%4", "a=%zz", "a=%ff", "a=%00"])
    func `are refused when they are not encoded`(_ text: String) {
        #expect(FormFields(encoded: text.utf8) == nil)
    }

    @Test func `are not without end`() {
        #expect(FormFields(encoded: Array(repeating: "a=1", count: 100).joined(separator: "&").utf8) != nil)
        #expect(FormFields(encoded: Array(repeating: "a=1", count: 101).joined(separator: "&").utf8) == nil)
    }

    @Test func `survive encoding`() {
        let text = "ü/?&=+% 日本\u{1F600}~"
        #expect(FormFields(encoded: "a=\(PercentEncoding.encoded(text))".utf8)?["a"] == text)
    }
}
