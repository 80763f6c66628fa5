// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Cryptography
import HTTPTransport
import Model
import PageScanner

/// A stream's requests for one integration: everything but what changes from page to page.
struct RequestTemplate: Sendable {
    let manifest: Manifest
    /// What the requests are for, in errors: `stream items`.
    private let subject: String
    private let access: ProviderAccess
    private var secrets: [String: SecretString]
    /// What goes before each path.
    let baseURL: String

    /// Requests of an action. Throws class `config` when the integration has no value for a place of the base URL.
    init(_ manifest: Manifest, action: String, _ access: ProviderAccess) throws(ConnectorError) {
        try self.init(manifest, subject: "action \(action)", access)
    }

    /// Throws class `config` for a place that the integration has no value for.
    init(_ manifest: Manifest, _ stream: StreamManifest, _ access: ProviderAccess) throws(ConnectorError) {
        try self.init(manifest, subject: "stream \(stream.name)", access)
        // A missing value is found before the first request, not at some page.
        var additions = RequestAdditions()
        var parents: [String: String] = [:]
        for name in stream.parent?.names ?? [] { parents[name] = "" }
        additions.values.slice = StreamSlice(partition: "", values: parents)
        _ = try request(stream.list.request, additions)
        additions.values.cursor = ""
        if let changes = stream.changes { _ = try request(changes.request, additions) }
    }

    private init(
        _ manifest: Manifest, subject: String, _ access: ProviderAccess
    ) throws(ConnectorError) {
        self.manifest = manifest
        self.subject = subject
        self.access = access
        secrets = access.credential.known.values
        // A token that is still to be asked for is missed when it is not there after that.
        if manifest.tokens != nil, secrets["access_token"] == nil {
            secrets["access_token"] = SecretString("")
        }
        if let given = access.baseURL {
            baseURL = given
        } else {
            baseURL = try Self.baseURL(manifest, access)
        }
    }

    /// A value that is put into a host's name must not lead to another host.
    private static func baseURL(
        _ manifest: Manifest, _ access: ProviderAccess
    ) throws(ConnectorError) -> String {
        try manifest.baseURL.filled { place throws(ConnectorError) in
            guard let value = access.configuration[place.name], OAuthProfile.isLabel(value) else {
                throw ConnectorError(
                    .config, code: "missing_value", userMessage: "\(manifest.title) is not fully set up.",
                    operatorDetail:
                        "the integration has no usable value for \(place.text): letters, digits and '-'")
            }
            return value
        }
    }

    /// The same requests with other secrets.
    func with(_ secrets: [String: SecretString]) -> RequestTemplate {
        var template = self
        template.secrets = secrets
        return template
    }

    /// The number of records to ask for, by a page rule and the integration's wish for less.
    func pageSize(_ page: PageRule) -> Int {
        let wanted = access.configuration["page_size"].flatMap { Int($0) }
        return wanted.map { max(1, min($0, max(1, page.size))) } ?? page.size
    }

    /// The request of a page.
    func request(_ shape: RequestShape, _ additions: RequestAdditions) throws(ConnectorError) -> HTTPRequest {
        let values = additions.values
        let path = try shape.path.filled { place throws(ConnectorError) in
            PercentEncoding.encoded(try value(of: place, values))
        }
        var query: [(name: String, value: String)] = []
        for (name, template) in shape.query where !additions.query.contains(where: { $0.name == name }) {
            if let value = try given(template, values) { query.append((name, value)) }
        }
        for (name, template) in additions.query {
            if let value = try given(template, values) { query.append((name, value)) }
        }
        var headers: [(name: String, value: String)] = []
        var body = try filled(shape.body, values)
        if let added = try filled(additions.body, values) { body = body.merged(added) }
        for (parameter, value) in additions.parameters {
            switch parameter.place {
            case .query:
                query.removeAll { $0.name == parameter.name }
                query.append((parameter.name, value.text ?? ""))
            case .header: headers.append((parameter.name, value.text ?? ""))
            case .body(let pointer):
                var tree = body ?? .object([])
                tree.set(value, at: pointer.tokens[...])
                body = tree
            }
        }
        var url = baseURL + path
        if !query.isEmpty {
            let pairs = query.map {
                "\(PercentEncoding.encoded($0.name))=\(PercentEncoding.encoded($0.value))"
            }
            url += "?" + pairs.joined(separator: "&")
        }
        return try authenticated(url, method: shape.method.rawValue, headers: headers, body: body?.bytes)
    }

    private func filled(_ template: Template, _ values: PlaceValues) throws(ConnectorError) -> String {
        try template.filled { place throws(ConnectorError) in try value(of: place, values) }
    }

    /// The filled text; nil for what an integration may set and does not.
    private func given(_ template: Template, _ values: PlaceValues) throws(ConnectorError) -> String? {
        let text = try filled(template, values)
        return template.isUnset(text) ? nil : text
    }

    private func filled(
        _ template: JSONTemplate?, _ values: PlaceValues
    ) throws(ConnectorError) -> JSONTree? {
        try template?.filled(lists: lists) { place throws(ConnectorError) in try value(of: place, values) }
    }

    /// The settings that are lists of names.
    private var lists: Set<Template.Place> {
        Set(
            manifest.settings.filter(\.value.isList).keys.map { Template.Place(namespace: .config, name: $0) }
        )
    }

    /// A request to a URL that the provider gave. It has to stay with the provider: another host would get the
    /// credential.
    func request(toGivenURL url: String) throws(ConnectorError) -> HTTPRequest {
        let isOnThisHost = url.hasPrefix("/") && !url.hasPrefix("//")
        let resolved = isOnThisHost ? URLText.origin(of: baseURL) + url : url
        guard URLText.origin(of: resolved) == URLText.origin(of: baseURL) else {
            throw ConnectorError(
                .contractViolation, code: "foreign_next_url",
                userMessage: "\(manifest.title) sent data in an unexpected form.",
                operatorDetail: "\(subject): the next page is on another host than \(baseURL)")
        }
        return try authenticated(resolved)
    }

    /// A request with the headers and the credential that all requests have.
    func authenticated(
        _ url: String, method: String = "GET", headers added: [(name: String, value: String)] = [],
        body: [UInt8]? = nil, contentType: String = "application/json"
    ) throws(ConnectorError) -> HTTPRequest {
        var url = url
        let none = PlaceValues()
        var headers: [(name: String, value: String)] = [("Accept", "application/json")]
        for (name, template) in manifest.headers {
            if let value = try given(template, none) { headers.set(name, value) }
        }
        // What a request says of its own comes before what all requests say: a name that comes twice may mean either.
        for (name, value) in added { headers.set(name, value) }
        if body != nil { headers.append(("Content-Type", contentType)) }
        switch manifest.auth {
        case .bearer(let token): headers.append(("Authorization", "Bearer \(try filled(token, none))"))
        case .header(let name, let template): headers.append((name, try filled(template, none)))
        case .query(let name, let template):
            let pair =
                "\(PercentEncoding.encoded(name))=\(PercentEncoding.encoded(try filled(template, none)))"
            url += (url.contains("?") ? "&" : "?") + pair
        case .basic(let username, let password):
            let pair = "\(try filled(username, none)):\(try filled(password, none))"
            headers.append(("Authorization", "Basic \(Base64.standard.encode(Array(pair.utf8)))"))
        case nil: break
        }
        var request = HTTPRequest(method: method, url: url, headers: headers, body: body)
        // A list is read, whatever its method: asking twice does no harm.
        request.isRepeatable = true
        return request
    }

    /// What a place stands for. Throws class `config` when there is no such value.
    func value(of place: Template.Place, _ values: PlaceValues = PlaceValues()) throws(ConnectorError)
        -> String
    {
        let found: String? =
            switch place.namespace {
            case .config: try setting(place.name)
            case .secret: secrets[place.name]?.exposed
            case .parent: values.slice.values[place.name]
            case .slice: place.name == "start" ? values.windowStart : values.windowEnd
            case .cursor: values.cursor
            case .id: values.id
            case .watch:
                switch place.name {
                case "id": values.watch?.id ?? values.heldWatch?.id
                case "token": values.watch?.token.exposed
                case "resource": values.heldWatch?.resource
                default: values.watch?.address
                }
            // An action fills its own in.
            case .input, .action: nil
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

extension RequestTemplate {
    /// What the integration says, or what the manifest says for one that says nothing.
    private func setting(_ name: String) throws(ConnectorError) -> String? {
        let rule = manifest.settings[name]
        guard let value = access.configuration[name] else { return rule?.standard }
        // The same names wherever they are sent: a provider need not trim them.
        if rule?.isList == true { return ConfigSetting.names(value).joined(separator: ",") }
        guard let rule, !rule.allowed.isEmpty, !rule.allowed.contains(value) else { return value }
        throw ConnectorError(
            .config, code: "unknown_setting", userMessage: "\(manifest.title) is not fully set up.",
            operatorDetail:
                "the integration's config has an unknown value for '\(name)'; allowed: "
                + rule.allowed.joined(separator: ", "))
    }
}

extension [(name: String, value: String)] {
    /// Replaces the header of the same name.
    fileprivate mutating func set(_ name: String, _ value: String) {
        removeAll { $0.name.lowercased() == name.lowercased() }
        append((name, value))
    }
}

extension JSONTree? {
    fileprivate func merged(_ added: JSONTree) -> JSONTree {
        var tree = self ?? .object([])
        tree.merge(added)
        return tree
    }
}

/// The parts of URLs that requests are made of.
enum URLText {
    /// The text that `PercentEncoding` made this of.
    static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%"), let value = UInt8(String(rest.prefix(2)) ?? "", radix: 16) else {
                bytes.append(byte)
                continue
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
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
