// SPDX-License-Identifier: Apache-2.0

/// An error as Google's APIs write it; clients classify it by its reason, not by its status.
struct GoogleRefusal: Error {
    let status: Int
    let domain: String
    let reason: String
    let message: String
    /// The kind of what is wrong (`parameter`, `header`) and its name.
    var location: (type: String, name: String)?

    static let notFound = GoogleRefusal(
        status: 404, domain: "global", reason: "notFound", message: "Not Found")

    static let unauthorized = GoogleRefusal(
        status: 401, domain: "global", reason: "authError", message: "Invalid Credentials",
        location: ("header", "Authorization"))

    static let insufficientPermissions = GoogleRefusal(
        status: 403, domain: "global", reason: "insufficientPermissions",
        message: "Request had insufficient authentication scopes.")

    static let fullSyncRequired = GoogleRefusal(
        status: 410, domain: "calendar", reason: "fullSyncRequired",
        message: "Sync token is no longer valid, a full sync is required.",
        location: ("parameter", "syncToken"))

    static func invalid(_ parameter: String, _ message: String, _ reason: String) -> GoogleRefusal {
        GoogleRefusal(
            status: 400, domain: "global", reason: reason, message: message,
            location: ("parameter", parameter))
    }

    /// The error that Google sends with a status, for faults; or one of another reason.
    static func fault(_ status: Int, _ reason: String? = nil) -> GoogleRefusal {
        switch status {
        case 401 where reason == nil: unauthorized
        case 404 where reason == nil: notFound
        case 410 where reason == nil: fullSyncRequired
        case 403, 429:
            GoogleRefusal(
                status: status, domain: "usageLimits", reason: reason ?? "rateLimitExceeded",
                message: "Rate Limit Exceeded")
        case 500...:
            GoogleRefusal(
                status: status, domain: "global", reason: reason ?? "backendError", message: "Backend Error")
        default:
            GoogleRefusal(
                status: status, domain: "global", reason: reason ?? "badRequest", message: "Bad Request")
        }
    }

    var response: SandboxResponse {
        let place =
            location.map { #","locationType":"\#($0.type)","location":\#(JSONText.quoted($0.name))"# } ?? ""
        let text = JSONText.quoted(message)
        return SandboxResponse(
            status: status,
            json: """
                {"error":{"errors":[{"domain":"\(domain)","reason":"\(reason)","message":\(text)\(place)}],\
                "code":\(status),"message":\(text)}}
                """)
    }
}
