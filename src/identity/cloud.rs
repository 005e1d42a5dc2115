//! The national clouds of Microsoft Entra ID: separate instances with addresses and issuers of their own.

/// An instance of Entra. What one of them issues is worth nothing in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    /// The worldwide one.
    Public,
    /// That for the government of the United States.
    UsGovernment,
    /// That in China, operated by 21Vianet.
    China,
}

impl Cloud {
    /// The cloud with this authority, which has no final slash; none for addresses of anybody else.
    pub fn of(authority: &str) -> Option<Self> {
        [Self::Public, Self::UsGovernment, Self::China].into_iter().find(|cloud| cloud.authority() == authority)
    }

    /// Its address, without a final slash.
    pub fn authority(self) -> &'static str {
        match self {
            Self::Public => "https://login.microsoftonline.com",
            Self::UsGovernment => "https://login.microsoftonline.us",
            Self::China => "https://login.partner.microsoftonline.cn",
        }
    }

    /// Whether an issuer, of v1 or v2 tokens, can be of this cloud.
    pub fn has_issuer(self, issuer: &str) -> bool {
        let within = |base: &str| issuer.strip_prefix(base).is_some_and(|rest| rest.starts_with('/'));
        within(self.authority()) || within(self.authority_v1())
    }

    /// The issuers of a tenant's v2 and v1 tokens.
    pub fn issuers(self, tenant_id: &str) -> [Box<str>; 2] {
        let v2 = format!("{}/{tenant_id}/v2.0", self.authority());
        [v2.into(), format!("{}/{tenant_id}/", self.authority_v1()).into()]
    }

    /// Where its v1 issuers are. The government's cloud has no such host of its own.
    fn authority_v1(self) -> &'static str {
        match self {
            Self::Public | Self::UsGovernment => "https://sts.windows.net",
            Self::China => "https://sts.chinacloudapi.cn",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cloud_is_known_by_its_authority() {
        for cloud in [Cloud::Public, Cloud::UsGovernment, Cloud::China] {
            assert_eq!(Cloud::of(cloud.authority()), Some(cloud));
        }
        for other in ["https://login.microsoftonline.com/", "http://login.microsoftonline.com", "https://idp.example"] {
            assert_eq!(Cloud::of(other), None, "{other}");
        }
    }

    #[test]
    fn the_issuers_of_a_tenant_are_of_its_cloud() {
        for cloud in [Cloud::Public, Cloud::UsGovernment, Cloud::China] {
            assert!(cloud.issuers("t").iter().all(|issuer| cloud.has_issuer(issuer)));
        }
        let public = Cloud::Public.issuers("t").map(String::from);
        assert_eq!(public, ["https://login.microsoftonline.com/t/v2.0", "https://sts.windows.net/t/"]);
    }

    #[test]
    fn an_issuer_is_of_a_cloud_by_its_host() {
        for (cloud, issuer) in [
            (Cloud::Public, "https://login.microsoftonline.com/t/v2.0"),
            (Cloud::Public, "https://sts.windows.net/t/"),
            (Cloud::UsGovernment, "https://login.microsoftonline.us/t/v2.0"),
            (Cloud::UsGovernment, "https://sts.windows.net/t/"),
            (Cloud::China, "https://login.partner.microsoftonline.cn/t/v2.0"),
            (Cloud::China, "https://sts.chinacloudapi.cn/t/"),
        ] {
            assert!(cloud.has_issuer(issuer), "{cloud:?} {issuer}");
        }
        for (cloud, issuer) in [
            (Cloud::Public, "https://login.microsoftonline.us/t/v2.0"),
            (Cloud::Public, "https://login.microsoftonline.com.evil.example/t/v2.0"),
            (Cloud::Public, "https://login.microsoftonline.com@evil.example/t/v2.0"),
            (Cloud::Public, "http://login.microsoftonline.com/t/v2.0"),
            (Cloud::UsGovernment, "https://login.microsoftonline.com/t/v2.0"),
            (Cloud::China, "https://sts.windows.net/t/"),
        ] {
            assert!(!cloud.has_issuer(issuer), "{cloud:?} {issuer}");
        }
    }
}
