// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Cryptography
import HTTPTransport
import Model

/// A stream's requests for one integration: everything but what changes from page to page.
struct RequestTemplate: Sendable {
    private let manifest: Manifest
    private let stream: StreamManifest
    private let access: ProviderAccess
    /// What goes before each path.
    let baseURL: String
    /// The number of records to ask for.
    let pageSize: Int

    /// Throws class `config` for a place that the integration has no value for.
    init(_ manifest: Manifest, _ stream: StreamManifest, _ access: ProviderAccess) throws(ConnectorError) {
        self.manifest = manifest
        self.stream = stream
        self.access = access
        baseURL = access.baseURL ?? manifest.baseURL
        let wanted = access.configuration["page_size"].flatMap { Int($0) }
        pageSize = wanted.map { max(1, min($0, max(1, stream.page.size))) } ?? stream.page.size
        // A missing value is found before the first request, not at some page.
        var parents: [String: String] = [:]
        for name in stream.parent?.values.keys ?? [:].keys { parents[name] = "" }
        var secrets = access.credential.known.values
        // A token that is still to be asked for is missed when it is not there after that.
        if manifest.tokens != nil, secrets["access_token"] == nil {
            secrets["access_token"] = SecretString("")
        }
        _ = try request(StreamSlice(partition: "", values: parents), parameters: [], secrets)
    }

    /// The request of a page with these secrets; `parameters` override those of the manifest.
    func request(
        _ slice: StreamSlice, parameters: [(name: String, value: String)], _ secrets: [String: SecretString]
    ) throws(ConnectorError) -> HTTPRequest {
        let path = try stream.path.filled { place throws(ConnectorError) in
            URLText.encoded(try value(of: place, slice, secrets))
        }
        var query: [(name: String, value: String)] = []
        for (name, template) in stream.query {
            query.append(
                (
                    name,
                    try template.filled { place throws(ConnectorError) in try value(of: place, slice, secrets)
                    }
                ))
        }
        if let size = stream.page.sizeParameter { query.append((size, String(pageSize))) }
        for parameter in parameters {
            query.removeAll { $0.name == parameter.name }
            query.append(parameter)
        }
        var url = baseURL + path
        if !query.isEmpty {
            url +=
                "?"
                + query.map { "\(URLText.encoded($0.name))=\(URLText.encoded($0.value))" }.joined(
                    separator: "&")
        }
        return try authenticated(url, secrets)
    }

    /// A request to a URL that the provider gave. It has to stay with the provider: another host would get the
    /// credential.
    func request(
        toGivenURL url: String, _ secrets: [String: SecretString]
    ) throws(ConnectorError) -> HTTPRequest {
        let isOnThisHost = url.hasPrefix("/") && !url.hasPrefix("//")
        let resolved = isOnThisHost ? URLText.origin(of: baseURL) + url : url
        guard URLText.origin(of: resolved) == URLText.origin(of: baseURL) else {
            throw ConnectorError(
                .contractViolation, code: "foreign_next_url",
                userMessage: "\(manifest.title) sent data in an unexpected form.",
                operatorDetail: "stream \(stream.name): the next page is on another host than \(baseURL)")
        }
        return try authenticated(resolved, secrets)
    }

    private func authenticated(
        _ url: String, _ secrets: [String: SecretString]
    ) throws(ConnectorError) -> HTTPRequest {
        let none = StreamSlice.whole
        var url = url
        var headers: [(name: String, value: String)] = [("Accept", "application/json")]
        for (name, template) in manifest.headers {
            headers.append(
                (
                    name,
                    try template.filled { place throws(ConnectorError) in try value(of: place, none, secrets)
                    }
                ))
        }
        func filled(_ template: Template) throws(ConnectorError) -> String {
            try template.filled { place throws(ConnectorError) in try value(of: place, none, secrets) }
        }
        switch manifest.auth {
        case .bearer(let token): headers.append(("Authorization", "Bearer \(try filled(token))"))
        case .header(let name, let template): headers.append((name, try filled(template)))
        case .query(let name, let template):
            let pair = "\(URLText.encoded(name))=\(URLText.encoded(try filled(template)))"
            url += (url.contains("?") ? "&" : "?") + pair
        case .basic(let username, let password):
            let pair = "\(try filled(username)):\(try filled(password))"
            headers.append(("Authorization", "Basic \(Base64.standard.encode(Array(pair.utf8)))"))
        case nil: break
        }
        return HTTPRequest(method: "GET", url: url, headers: headers)
    }

    private func value(
        of place: Template.Place, _ slice: StreamSlice, _ secrets: [String: SecretString]
    ) throws(ConnectorError) -> String {
        let found: String? =
            switch place.namespace {
            case .config: access.configuration[place.name]
            case .secret: secrets[place.name]?.exposed
            case .parent: slice.values[place.name]
            }
        guard let found, !found.utf8.contains(where: { $0 < 0x20 }) else {
            throw ConnectorError(
                .config, code: "missing_value",
                userMessage: "\(manifest.title) is not fully set up.",
                operatorDetail: "the integration has no usable value for \(place.text)")
        }
        return found
    }
}

/// The parts of URLs that requests are made of.
enum URLText {
    /// Percent-encodes all but the unreserved characters (RFC 3986, section 2.3).
    static func encoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                bytes.append(byte)
            default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Scheme, host and port, in small letters; the whole text when it has no authority.
    static func origin(of url: String) -> String {
        guard let scheme = url.firstRange(of: "://") else { return url }
        let end = url[scheme.upperBound...].firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? url.endIndex
        return url[..<end].lowercased()
    }

}
