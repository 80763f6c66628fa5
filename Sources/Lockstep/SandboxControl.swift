// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTransport
import Logging
import PageScanner

/// The control of a running sandbox, over HTTP.
struct SandboxControl {
    private let http: HTTPClient
    private let root: String

    /// `serviceURL` is a service of the sandbox, such as `http://127.0.0.1:8090/stripe`. Nil when it is no such URL.
    init?(serviceURL: String, logger: Logger) {
        guard let url = URL(string: serviceURL), let host = url.host, let port = url.port else { return nil }
        var configuration = HTTPClientConfiguration()
        configuration.addressPolicy = .allowing(hosts: ["\(host):\(port)"])
        http = HTTPClient(configuration: configuration, logger: logger)
        root = "\(url.scheme ?? "http")://\(host):\(port)/_control"
    }

    /// Asks, and throws what the sandbox says when it refuses.
    @discardableResult
    func ask(_ path: String, method: String = "POST") async throws -> [UInt8] {
        var request = HTTPRequest(method: method, url: "\(root)/\(path)", headers: [])
        request.maxWireBytes = 1 << 30
        request.maxBodyBytes = 1 << 30
        do throws(HTTPError) {
            let response = try await http.send(request)
            guard response.status == 200 else {
                throw HTTPError(.protocolViolation, "the sandbox refused \(path): \(response.status)")
            }
            return response.body
        } catch {
            throw Exit.complain("the sandbox at \(root) does not answer: \(error.message)", Exit.unavailable)
        }
    }

    /// The live objects of a user's stream, with the ids that Lockstep gives them.
    func objects(
        user: String, service: String, stream: String
    ) async throws -> [(externalID: String, json: [UInt8])] {
        let body = try await ask(
            "objects?user=\(user)&service=\(service)&stream=\(stream)", method: "GET")
        let pointer = try JSONPointer("/external_id")
        let marker = Array("\",\"data\":".utf8)
        return body.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let line = Array(line)
            guard let id = JSONValueReader.scalarText(at: pointer, in: line),
                let start = line.firstRange(of: marker)
            else { return nil }
            return (id, Array(line[start.upperBound...].dropLast()))
        }
    }
}
