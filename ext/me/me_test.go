package me

import "testing"

func TestAction(t *testing.T) {
	for _, tt := range []struct {
		name, body, action string
		ok                 bool
		shown              string
	}{
		{"GUIDE-11-message-6 the example of the guide", "/me is hungry", "is hungry", true, "* Atlas is hungry"},
		{"XEP-0245 example 1", "/me shrugs in disgust", "shrugs in disgust", true, "* Atlas shrugs in disgust"},
		{"GUIDE-11-message-6 exactly four characters", "/me ", "", true, "* Atlas "},
		{"two spaces", "/me  x", " x", true, "* Atlas  x"},
		{"XEP-0245 example 4, no space", "/meshrugs in disgust", "", false, ""},
		{"XEP-0245 example 4, apostrophe", "/me's disgusted", "", false, ""},
		{"XEP-0245 example 4, white space before", " /me shrugs in disgust", "", false, ""},
		{"XEP-0245 example 4, quotation mark before", `"/me shrugs in disgust"`, "", false, ""},
		{"XEP-0245 example 4, formatted", "* Atlas shrugs in disgust", "", false, ""},
		{"XEP-0245 example 4, in the middle", `Why did Atlas say "/me shrugs in disgust"?`, "", false, ""},
		{"capitals", "/ME shrugs", "", false, ""},
		{"another space", "/me\tshrugs", "", false, ""},
		{"three characters", "/me", "", false, ""},
		{"empty", "", "", false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			action, ok := Action(tt.body)
			if ok != tt.ok || ok && action != tt.action {
				t.Errorf("%q, %v", action, ok)
			}
			want := tt.body
			if tt.ok {
				want = tt.shown
				if Body(action) != tt.body {
					t.Errorf("sent as %q", Body(action))
				}
			}
			if got := Format("Atlas", tt.body); got != want {
				t.Errorf("shown as %q, want %q", got, want)
			}
		})
	}
}
