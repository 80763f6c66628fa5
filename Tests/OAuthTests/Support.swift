// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import Model
import OAuth

func form(_ request: HTTPRequest) -> [String: String] {
    var fields: [String: String] = [:]
    for pair in String(decoding: request.body ?? [], as: UTF8.self).split(separator: "&") {
        let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
            String.init)
        fields[halves[0]] = halves.count > 1 ? halves[1] : ""
    }
    return fields
}

func response(
    _ status: Int, _ body: String, headers: [(name: String, value: String)] = []
) -> Result<HTTPResponse, HTTPError> {
    .success(
        HTTPResponse(
            status: status, headers: HTTPHeaders(headers), body: Array(body.utf8),
            url: "https://p.example/token"))
}

func header(_ name: String, of request: HTTPRequest) -> String? {
    request.headers.first { $0.name == name }?.value
}

let client = OAuthClient(id: "s6BhdRkqt3", secret: SecretString("7Fjfp0ZBr1KtDRbnfVdmIw"))
let code = OAuthProfile(
    grant: .authorizationCode(.init(url: "https://p.example/authorize")), tokenURL: "https://p.example/token")

/// Slack's oauth.v2.access for user tokens.
var slack: OAuthProfile {
    var profile = code
    profile.fields.accessToken = ["/authed_user/access_token", "/access_token"]
    profile.fields.refreshToken = ["/authed_user/refresh_token", "/refresh_token"]
    profile.fields.expiresIn = ["/authed_user/expires_in", "/expires_in"]
    profile.fields.scope = "/authed_user/scope"
    profile.fields.success = "/ok"
    profile.reconnectErrors = ["invalid_refresh_token", "token_revoked"]
    return profile
}
