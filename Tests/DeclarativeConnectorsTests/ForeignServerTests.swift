// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Foundation
import HTTPTransport
import Logging
import Model
import Testing

@testable import DeclarativeConnectors

/// An HTTP server that nobody here wrote; `make test-servers` starts it and names it.
private let foreignServer = ProcessInfo.processInfo.environment["HTTPBIN_URL"]

/// Manifests and the HTTP client against https://pypi.org/project/httpbin/.
@Suite(.enabled(if: foreignServer != nil)) struct `An HTTP server of others` {
    private let base = foreignServer ?? ""

    private var http: HTTPClient {
        var configuration = HTTPClientConfiguration()
        configuration.addressPolicy = .allowing(hosts: [String(base.dropFirst("http://".count))])
        return HTTPClient(
            configuration: configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func pages(
        _ stream: String, auth: String = "", secrets: [String: String] = [:]
    ) async throws -> Enumeration {
        let manifest = """
            lockstep: 1
            service: foreign
            base_url: \(base)
            \(auth)
            request_id_header: Server
            streams:
              items:
            \(stream)
            """
        let strategy = try ManifestLoader.load(manifest, file: "foreign.yaml").strategy(
            for: "items",
            access: ProviderAccess(
                client: DirectClient(http: http), secrets: secrets.mapValues { SecretString($0) },
                configuration: [:], baseURL: nil))
        return try await Enumeration(strategy.fullSync(of: .whole, resumingAt: nil))
    }

    private func failure(_ stream: String, auth: String = "", secrets: [String: String] = [:]) async
        -> ConnectorError?
    {
        do {
            let read = try await pages(stream, auth: auth, secrets: secrets)
            Issue.record("it was read: \(read)")
        } catch {
            return error as? ConnectorError
        }
        return nil
    }

    private static let object = "    page: { kind: none }\n    layout: single\n    records: \"\""

    @Test func `gives a page of records`() async throws {
        let read = try await pages(
            "    { path: /json, records: /slideshow/slides, id: /title, page: { kind: none } }")
        #expect(read.pages == [["Wake up to WonderWidgets!", "Overview"]])
    }

    @Test(arguments: [
        (400, ErrorClass.rejected), (401, .authRevoked), (403, .permission), (404, .rejected),
        (408, .transient),
        (410, .rejected), (418, .rejected), (429, .rateLimited), (500, .transient), (502, .transient),
        (503, .transient), (504, .transient), (301, .rejected), (304, .rejected),
    ])
    func `has its statuses understood`(status: Int, expected: ErrorClass) async throws {
        let error = await failure(
            "    { path: /status/\(status), records: /x, id: /id, page: { kind: none } }")
        #expect(error?.errorClass == expected && error?.status == status, "\(String(describing: error))")
        #expect(error?.operatorDetail.contains("request id ") == true)
    }

    @Test func `may answer with no body, which is no empty list`() async throws {
        let error = await failure("    { path: /status/204, records: /x, id: /id, page: { kind: none } }")
        #expect(error?.errorClass == .transient, "\(String(describing: error))")
    }

    @Test(arguments: ["gzip", "deflate", "brotli"])
    func `may compress its answers`(encoding: String) async throws {
        let response = try await http.send(
            HTTPRequest(url: "\(base)/\(encoding)", headers: [("Accept-Encoding", "gzip, deflate, br")]))
        let object = try JSONSerialization.jsonObject(with: Data(response.body)) as? [String: Any]
        #expect(response.status == 200 && object?["method"] as? String == "GET")
        if encoding != "brotli" {
            let read = try await pages("    path: /\(encoding)\n    id: /method\n" + Self.object)
            #expect(read.pages == [["GET"]])
        }
    }

    @Test func `is not followed to where it redirects to, and a link-local address is refused at the socket`()
        async throws
    {
        let metadata = "http://169.254.169.254/latest/meta-data/"
        let response = try await http.send(HTTPRequest(url: "\(base)/redirect-to?url=\(metadata)"))
        #expect(response.status == 302)
        #expect(response.headers.first("Location") == metadata)
        let error = await failure(
            "    { path: \"/redirect-to?url=\(metadata)\", records: /x, id: /id, page: { kind: none } }")
        #expect(error?.errorClass == .rejected && error?.status == 302)

        do {
            let answer = try await http.send(HTTPRequest(url: metadata))
            Issue.record("an answer came: \(answer)")
        } catch {
            #expect(error.code == .addressRefused && !error.requestWasSent)
        }
    }

    @Test func `has its limits on bodies and on time`() async throws {
        var large = HTTPRequest(url: "\(base)/stream-bytes/100000")
        large.maxBodyBytes = 50_000
        await expect(.bodyTooLarge, large)
        var slow = HTTPRequest(url: "\(base)/delay/5")
        slow.timeout = .milliseconds(300)
        await expect(.timeout, slow)
        let streamed = try await http.send(HTTPRequest(url: "\(base)/stream-bytes/70000?chunk_size=999"))
        #expect(streamed.body.count == 70_000)
    }

    private func expect(_ code: HTTPError.Code, _ request: HTTPRequest) async {
        do {
            let answer = try await http.send(request)
            Issue.record("an answer came: \(answer)")
        } catch {
            #expect(error.code == code)
        }
    }

    @Test func `is shown the credential as its manifest says`() async throws {
        let bearer = "auth: { kind: bearer, token: \"${secret.t}\" }"
        let read = try await pages(
            "    path: /bearer\n    id: /token\n" + Self.object, auth: bearer, secrets: ["t": "abc.DEF-1"])
        #expect(read.pages == [["abc.DEF-1"]])
        let basic = "auth: { kind: basic, username: ada, password: \"${secret.p}\" }"
        let path = "    path: /basic-auth/ada/pass%20word\n    id: /user\n" + Self.object
        #expect(try await pages(path, auth: basic, secrets: ["p": "pass word"]).pages == [["ada"]])
        #expect(await failure(path, auth: basic, secrets: ["p": "other"])?.errorClass == .authRevoked)
        // What it was sent: the query as it was meant, and nothing of ours beside it.
        let echo = try await http.send(HTTPRequest(url: "\(base)/get?a=1%2B1&b=%C3%A9"))
        let object = try JSONSerialization.jsonObject(with: Data(echo.body)) as? [String: Any]
        #expect(object?["args"] as? [String: String] == ["a": "1+1", "b": "é"])
        #expect((object?["headers"] as? [String: String])?["Cookie"] == nil)
    }

    @Test func `is asked with the ETag that it gave`() async throws {
        let first = try await http.send(HTTPRequest(url: "\(base)/etag/abc"))
        #expect(first.status == 200 && first.headers.first("ETag") == "abc")
        let second = try await http.send(
            HTTPRequest(url: "\(base)/etag/abc", headers: [("If-None-Match", "abc")]))
        #expect(second.status == 304 && second.body.isEmpty)
    }
}
