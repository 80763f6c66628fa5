// SPDX-License-Identifier: Apache-2.0

/// The methods of Slack's Web API that the sandbox serves, with their scopes and tiers
/// (https://docs.slack.dev/apis/web-api/rate-limits).
enum SlackMethod: String, Sendable, CaseIterable {
    case listConversations = "conversations.list"
    case conversationInfo = "conversations.info"
    case history = "conversations.history"
    case replies = "conversations.replies"
    case listUsers = "users.list"
    case userInfo = "users.info"
    case postMessage = "chat.postMessage"
    case testAuth = "auth.test"

    init?(_ request: SandboxRequest) {
        let segments = request.segments
        guard segments.count == 3, segments[1] == "api" else { return nil }
        self.init(rawValue: segments[2])
    }

    /// The scope that a token needs; nil when any will do.
    var scope: String? {
        switch self {
        case .listConversations, .conversationInfo: "channels:read"
        case .history, .replies: "channels:history"
        case .listUsers, .userInfo: "users:read"
        case .postMessage: "chat:write"
        case .testAuth: nil
        }
    }

    /// Requests a minute of one workspace that the tier grants at least.
    var perMinute: Int {
        switch self {
        case .listConversations, .listUsers: 20
        case .history, .replies, .conversationInfo: 50
        case .userInfo, .testAuth: 100
        case .postMessage: 60
        }
    }

    /// What the method reads; the channel's number is put in later.
    var stream: SandboxStream? {
        switch self {
        case .listConversations, .conversationInfo: .channels
        case .listUsers, .userInfo: .users
        case .history, .postMessage: .slackMessages
        case .replies: .slackReplies
        case .testAuth: nil
        }
    }
}
